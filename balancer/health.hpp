// Active health checks: when their results mean that an endpoint is up or down. Pure; who checks is elsewhere.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "conf/settings.hpp"

namespace weir::balancer {

// Of one endpoint. It counts as up until the first result, which decides alone; after that it takes `fall` bad ones in
// a row to be down and `rise` good ones to be up. The settings may change from one result to the next.
class health {
  public:
    struct change {
        bool up;
        std::string reason;  // such as "3 checks failed: connection refused"
    };

    std::optional<change> passed(const conf::health_settings& settings);
    // `why`, in a few words, of this check.
    std::optional<change> failed(const conf::health_settings& settings, std::string_view why);
    bool up() const { return up_; }

  private:
    bool known_ = false;
    bool up_ = true;
    unsigned against_ = 0;  // results in a row that contradict up_
};

}  // namespace weir::balancer

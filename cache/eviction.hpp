// In which order stored responses leave when memory is needed: one interface, two orders.
//
// lru: who was not used for the longest time goes first. A touch moves an item to the front.
//
// s3fifo (Yang et al., "FIFO queues are all you need for cache eviction", SOSP 2023): what comes enters a small queue,
// a tenth of the bytes, and leaves from its end unless it was used more than once in it; then it goes to the main
// queue. From the end of that an item leaves that was not used since it came by the last time; one that was goes round
// again, at most three times for nothing. Of what left the small queue the hashes are remembered, as ghosts; what comes
// back while its ghost is there enters the main queue at once. So what is asked for once, such as the pages a crawler
// reads, never displaces what is asked for again. A touch only counts, up to three.
//
// Items are linked in place: a touch allocates nothing. Nothing here is safe from several threads; a shard's lock
// guards it.
#pragma once

#include <boost/intrusive/list.hpp>
#include <cstdint>
#include <memory>

#include "conf/settings.hpp"

namespace weir::cache {

class eviction_order {
  public:
    // What is ordered; owned by the caller and kept in place while it is in an order.
    struct item : boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::normal_link>> {
        std::uint64_t bytes = 0;  // not changed while it is in an order
        std::uint32_t id = 0;     // a hash by which it is known again when it comes back

      private:
        friend class s3fifo_order;
        std::uint8_t uses_ = 0;
        bool in_main_ = false;
    };

    virtual ~eviction_order() = default;

    virtual void insert(item& arriving) = 0;
    virtual void touch(item& used) noexcept = 0;
    // It leaves for another reason than memory.
    virtual void remove(item& leaving) noexcept = 0;
    // Takes out the one that goes next; null where there is none.
    virtual item* evict() = 0;
    // What the order occupies beside the items.
    virtual std::uint64_t memory_bytes() const = 0;
};

std::unique_ptr<eviction_order> make_eviction_order(conf::eviction_policy policy);

}  // namespace weir::cache

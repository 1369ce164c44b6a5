// The other end of a wait.
#pragma once

namespace weir::http {

// Something that waits and may be woken from any thread. wake() does not run the waiter's code itself.
class wakeable {
  public:
    virtual void wake() noexcept = 0;

  protected:
    ~wakeable() = default;
};

}  // namespace weir::http

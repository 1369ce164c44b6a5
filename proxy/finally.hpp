// What is to happen when a scope ends, whichever way it does.
#pragma once

namespace weir::proxy {

template <class Function>
class finally {
  public:
    explicit finally(Function run) : run_(run) {}
    ~finally() { run_(); }
    finally(const finally&) = delete;
    finally& operator=(const finally&) = delete;

  private:
    Function run_;
};

}  // namespace weir::proxy

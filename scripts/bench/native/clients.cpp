// The clients of the bench: clients open|slow|heads|pausing --port PORT [--NAME VALUE ...]; what each takes is said in
// its header. In C++, since a script cannot hold 10,000 connections and keep time on one core.
#include <cstdio>
#include <string_view>

#include "open_load.hpp"
#include "pausing_clients.hpp"
#include "slow_clients.hpp"
#include "slow_heads.hpp"

namespace {

template <class Load>
int run(int argc, char** argv) {
    const bench::arguments given(argc, argv, 2);
    bench::loop runs;
    Load load(runs, given);
    runs.run();
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    const std::string_view kind = argc > 1 ? argv[1] : "";
    if (kind == "open") return run<bench::open_load>(argc, argv);
    if (kind == "slow") return run<bench::slow_clients>(argc, argv);
    if (kind == "heads") return run<bench::slow_heads>(argc, argv);
    if (kind == "pausing") return run<bench::pausing_clients>(argc, argv);
    std::fputs("usage: clients open|slow|heads|pausing --port PORT [--NAME VALUE ...]\n", stderr);
    return 2;
}

// The queue between threads, for the thread sanitizer: they take slots, wait for them, give them back and leave.
#include <array>
#include <atomic>
#include <catch2/catch.hpp>
#include <random>
#include <semaphore>
#include <thread>

#include "balancer/selector.hpp"
#include "support.hpp"

namespace weir::balancer::test {

namespace {

constexpr std::array<int, 2> limits{1, 2};
constexpr int threads = 6;

struct bell final : http::wakeable {
    void wake() noexcept override { rung.release(); }
    std::binary_semaphore rung{0};
};

struct shop {
    shop() : among(make_upstream({{.max_in_flight = limits[0]}, {.max_in_flight = limits[1]}})) {}
    // Every look at the clock is 0.1 ms after the last, so that who waits is late at times.
    clock::time_point now() { return test::now + ticks.fetch_add(1) * std::chrono::microseconds(100); }
    void serve(const std::shared_ptr<endpoint>& one) {
        if (held[one->id()].fetch_add(1) >= limits[one->id()]) over.fetch_add(1);
        std::this_thread::yield();  // others find the slot taken
        held[one->id()].fetch_sub(1);
        release_slot(among, one, now());
        served.fetch_add(1);
    }

    upstream among;
    std::atomic<int> ticks{0};
    std::array<std::atomic<int>, 2> held{};
    std::atomic<int> served{0};
    std::atomic<int> refused{0};  // the queue was full
    std::atomic<int> displaced{0};
    std::atomic<int> left{0};
    std::atomic<int> over{0};        // more than max_in_flight
    std::atomic<int> for_naught{0};  // woken, but neither served nor displaced
};

void visit(shop& in, selector& from, std::mt19937& random) {
    const bool sticky = random() % 4 == 0;
    const affinity own{.hash = 0,
                       .sticky = sticky ? std::optional(in.among.members[0].endpoint->address_hash()) : std::nullopt};
    const choice made = from.choose(in.among, in.now(), {}, own);
    if (made.endpoint) return in.serve(made.endpoint);
    bell woken;
    queue::waiter place(woken, static_cast<conf::priority>(random() % 3), {}, made.wait_for);
    if (in.among.queue->join(place, {.length = 4, .timeout = std::chrono::milliseconds(2)}, in.now()) ==
        queue::joined::full) {
        in.refused.fetch_add(1);
        return;
    }
    offer_free_slots(in.among, in.now());
    const bool patient = random() % 4 != 0;
    if (patient) woken.rung.acquire();
    const queue::outcome got = in.among.queue->leave(place);
    if (got.granted && patient) return in.serve(got.granted);
    if (got.granted) release_slot(in.among, got.granted, in.now());
    (got.displaced ? in.displaced : patient ? in.for_naught : in.left).fetch_add(1);
}

}  // namespace

// A wake-up that is lost leaves a thread waiting for ever.
TEST_CASE("no slot is lost or given twice, and nobody waits for ever", "[balancer][queue][threads]") {
    constexpr int visits = 5000;
    shop in;
    std::vector<std::thread> all;
    for (std::uint32_t t = 0; t < threads; ++t) {
        all.emplace_back([&in, t] {
            selector from(t);
            std::mt19937 random(t);
            for (int i = 0; i < visits; ++i) visit(in, from, random);
        });
    }
    for (std::thread& t : all) t.join();
    CHECK(in.over == 0);
    CHECK(in.for_naught == 0);
    CHECK(in.served + in.refused + in.displaced + in.left == threads * visits);
    CHECK(in.served > 0);
    CHECK(in.refused + in.displaced + in.left > 0);
    CHECK(in.among.queue->waiting() == 0);
    for (const auto& m : in.among.members) CHECK(m.endpoint->in_flight() == 0);
}

}  // namespace weir::balancer::test

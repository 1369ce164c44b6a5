#include "test/differential/client.hpp"

#include <algorithm>
#include <charconv>
#include <exception>

namespace weir::differential {
namespace {

constexpr int patience_seconds = 30;
constexpr std::uint64_t enough_faults = 1000;

bool ends_connection(const message& got) {
    return got.value("connection").find("close") != std::string::npos;
}

std::string head_of(const request& asked) {
    return asked.bytes.substr(0, asked.bytes.find("\r\n\r\n") + 2);
}

// The pages that an order is about.
std::vector<const page*> concerned(const page& of, purge_order order, const site& has) {
    std::vector<const page*> found;
    for (const page& one : has.pages()) {
        const bool is = order.scope == purge_scope::all || (order.scope == purge_scope::tag && one.tag == of.tag) ||
                        (order.scope == purge_scope::prefix && one.host == of.host && one.prefix() == of.prefix()) ||
                        one.number == of.number;
        if (is) found.push_back(&one);
    }
    return found;
}

}  // namespace

clients::clients(const course& given, site& has) : course_(given), site_(has), running_(given.connections) {
    for (unsigned i = 0; i < given.connections; ++i) threads_.emplace_back([this] { run(); });
}

clients::~clients() {
    for (auto& one : threads_) one.join();
}

std::vector<std::string> clients::faults() {
    const std::lock_guard hold(lock_);
    std::vector<std::string> shown;
    for (const auto& [what, sort] : faults_) shown.push_back(std::to_string(sort.count) + " like this: " + sort.first);
    return shown;
}

tally clients::counts() {
    const std::lock_guard hold(lock_);
    return counts_;
}

void clients::run() {
    wire stream;
    std::string last;
    tally count;
    for (std::uint64_t number = next_++; number < course_.requests; number = next_++) {
        if (fault_count_ >= enough_faults) break;
        if (course_.rate != 0) {
            std::this_thread::sleep_until(start_ + std::chrono::microseconds(number * 1'000'000 / course_.rate));
        }
        const request asked = make_request(course_.seed, number, course_.kinds, site_);
        ++count.requests;
        try {
            if (asked.purge) {
                send_purge(asked, count);
            } else {
                ask(asked, stream, last, count);
            }
        } catch (const std::exception& thrown) {
            note(asked, {}, thrown.what());
            stream.close();
        }
    }
    {
        const std::lock_guard hold(lock_);
        counts_.add(count);
    }
    --running_;
}

void clients::ask(const request& asked, wire& stream, std::string& last, tally& count) {
    if (!stream.is_open()) {
        stream.connect(course_.port);
        stream.limit_reads(patience_seconds);
        last = "none\n";
    }
    const before then{clock::now(), site_.floor(*asked.of), site_.version(*asked.of)};
    message got;
    read_end end = read_end::closed;
    const bool sent = stream.send(asked.bytes);
    const bool leaves = asked.leaves_after.has_value();
    if (sent && leaves && *asked.leaves_after == 0) {
        ++count.left;
        return asked.leaves_by_reset ? stream.reset() : stream.close();
    }
    if (sent) end = stream.read_response(got, asked.method == "HEAD", asked.leaves_after.value_or(SIZE_MAX));
    if (std::string fault = judge(asked, then, got, end, site_, count); !fault.empty()) note(asked, got, fault, last);
    last = head_of(asked);
    if (!asked.safe()) {
        ++count.unsafe;
        if (end == read_end::whole && got.status < 400) note_changes(got);
    }
    if (leaves) {
        ++count.left;
        asked.leaves_by_reset ? stream.reset() : stream.close();
    } else if (end != read_end::whole || ends_connection(got)) {
        stream.close();
    }
}

// From now on nobody may get an older version: the answer says that these pages changed.
void clients::note_changes(const message& got) {
    const std::string list = got.value("x-changed");
    const char* const end = list.data() + list.size();
    for (std::size_t at = 0; (at = list.find_first_not_of(" ,", at)) != list.npos;) {
        unsigned number = 0;
        unsigned version = 0;
        const auto colon = std::from_chars(list.data() + at, end, number).ptr;
        at = static_cast<std::size_t>(std::from_chars(colon + 1, end, version).ptr - list.data());
        site_.raise_floor(site_.pages().at(number), version);
    }
}

// The pages change first, as those of an editor do who then purges what is stored.
void clients::send_purge(const request& asked, tally& count) {
    ++count.purges;
    std::vector<std::pair<const page*, unsigned>> changed;
    for (const page* one : concerned(*asked.of, *asked.purge, site_)) changed.emplace_back(one, site_.change(*one));
    wire stream;
    stream.connect(asked.purge->by_method ? course_.port : course_.admin_port);
    stream.limit_reads(patience_seconds);
    message got;
    const auto end = stream.send(asked.bytes) ? stream.read_response(got, false) : read_end::closed;
    if (end != read_end::whole || got.status != 200) return note(asked, got, "a purge that was not carried out");
    if (asked.purge->soft) return;
    for (const auto& [one, version] : changed) site_.raise_floor(*one, version);
}

void clients::note(const request& asked, const message& got, const std::string& what, const std::string& last) {
    ++fault_count_;
    std::string sort;
    for (const char c : what.substr(0, what.find('\n'))) {
        if (c < '0' || c > '9') sort += c;
    }
    const std::lock_guard hold(lock_);
    if (++faults_[sort].count > 1) return;
    faults_[sort].first = "seed " + std::to_string(course_.seed) + ", request " + std::to_string(asked.number) + ": " +
                          what + "\n-- request\n" + head_of(asked) + "-- answer\n" + got.head +
                          "-- the request before it on the connection\n" + last;
}

}  // namespace weir::differential

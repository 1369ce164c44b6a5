#include "test/bench/requests.hpp"

#include <xxhash.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>
#include <random>
#include <sstream>
#include <stdexcept>
#include <string_view>

namespace weir::bench {

namespace {

constexpr std::string_view xz_magic{
    "\xfd"
    "7zXZ"};

bool is_text(std::string_view data) {
    const std::string_view start = data.substr(0, 4096);
    return std::all_of(start.begin(), start.end(),
                       [](char c) { return (c >= '0' && c <= '9') || c == ' ' || c == '.' || c == '\n' || c == '\r'; });
}

std::vector<request> read_text(const std::string& data, const std::string& name) {
    std::vector<request> requests;
    std::istringstream in(data);
    std::string line;
    for (std::size_t number = 1; std::getline(in, line); ++number) {
        std::istringstream words(line);
        double time = 0;
        request next{};
        if (!(words >> time >> next.id >> next.bytes)) {
            throw std::runtime_error(name + ":" + std::to_string(number) + ": not \"time id size\"");
        }
        next.bytes = std::max<std::uint64_t>(1, next.bytes);
        requests.push_back(next);
    }
    return requests;
}

std::vector<request> read_binary(std::string_view data, const std::string& name) {
    if (data.size() % 4 != 0) throw std::runtime_error(name + ": not a whole number of 32-bit ids");
    std::vector<request> requests;
    requests.reserve(data.size() / 4);
    for (std::size_t at = 0; at < data.size(); at += 4) {
        std::uint64_t id = 0;
        for (std::size_t i = 4; i-- > 0;) id = id << 8 | static_cast<unsigned char>(data[at + i]);
        requests.push_back({id, 1});
    }
    return requests;
}

// A number from 0 to below 1 of 53 bits; the standard's distributions differ between libraries.
double fraction(std::uint64_t random) {
    return static_cast<double>(random >> 11) * 0x1p-53;
}

std::uint64_t size_of(std::uint64_t id, std::uint64_t seed) {
    const std::uint64_t random = XXH3_64bits_withSeed(&id, sizeof id, seed);
    const std::uint64_t kind = random % 10;
    const double low = kind < 6 ? 1 : kind < 9 ? 8 : 64;
    return static_cast<std::uint64_t>(1024 * low * std::pow(8, fraction(random)));  // its logarithm evenly spread
}

template <class Number>
Number next_number(std::string_view& text, bool is_last) {
    Number number{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    const bool is_ended = is_last ? text.empty() : text.starts_with(',');
    if (error != std::errc{} || !is_ended) throw std::runtime_error("not \"OBJECTS,SKEW,REQUESTS,SEED\"");
    if (!is_last) text.remove_prefix(1);
    return number;
}

}  // namespace

request_list read_trace(std::istream& in, trace_form form, const std::string& name) {
    const std::string data{std::istreambuf_iterator<char>(in), {}};
    if (data.starts_with(xz_magic)) throw std::runtime_error(name + " is packed: xz -dc FILE | ... --trace -");
    if (form == trace_form::detect) form = is_text(data) ? trace_form::text : trace_form::binary;
    request_list list{name, form == trace_form::text ? read_text(data, name) : read_binary(data, name)};
    if (list.requests.empty()) throw std::runtime_error(name + " has no requests");
    return list;
}

zipf_parameters parse_zipf(const std::string& text) {
    std::string_view left = text;
    zipf_parameters parameters;
    parameters.objects = next_number<std::uint64_t>(left, false);
    parameters.skew = next_number<double>(left, false);
    parameters.requests = next_number<std::uint64_t>(left, false);
    parameters.seed = next_number<std::uint64_t>(left, true);
    if (parameters.objects == 0 || parameters.requests == 0) throw std::runtime_error("a Zipf trace of nothing");
    return parameters;
}

request_list draw_zipf(const zipf_parameters& parameters) {
    std::vector<double> up_to;  // the weight of the objects up to each, most popular first
    up_to.reserve(parameters.objects);
    double sum = 0;
    for (std::uint64_t rank = 1; rank <= parameters.objects; ++rank) {
        sum += std::pow(static_cast<double>(rank), -parameters.skew);
        up_to.push_back(sum);
    }
    std::ostringstream name;
    name << "Zipf " << parameters.objects << ", " << parameters.skew;
    request_list list{name.str(), {}};
    list.requests.reserve(parameters.requests);
    std::mt19937_64 random(parameters.seed);
    for (std::uint64_t i = 0; i < parameters.requests; ++i) {
        const auto place = std::lower_bound(up_to.begin(), up_to.end(), fraction(random()) * sum);
        const auto id = static_cast<std::uint64_t>(std::min(place, up_to.end() - 1) - up_to.begin());
        list.requests.push_back({id, size_of(id, parameters.seed)});
    }
    return list;
}

}  // namespace weir::bench

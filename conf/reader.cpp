#include "conf/reader.hpp"

#include "conf/units.hpp"
#include "conf/words.hpp"

#include <algorithm>

namespace weir::conf {
namespace {

constexpr std::size_t most_listed_keys = 12;

std::string_view kind_of(const node& value) {
    switch (value.type) {
        case node::kind::null:
            return "nothing";
        case node::kind::scalar:
            return "a single value";
        case node::kind::sequence:
            return "a list";
        case node::kind::mapping:
            return "a mapping";
    }
    return {};
}

std::optional<std::uint64_t> parse(std::string_view text, quantity what, std::string& why) {
    switch (what) {
        case quantity::whole:
            return parse_whole(text, why);
        case quantity::percent:
            return parse_percent(text, why);
        case quantity::bytes:
            return parse_size(text, why);
        case quantity::rate:
            return parse_rate(text, why);
        case quantity::duration:
        case quantity::whole_seconds:
            break;
    }
    const auto duration = parse_duration(text, why);
    if (!duration) return std::nullopt;
    const auto count = static_cast<std::uint64_t>(duration->count());
    if (what == quantity::duration) return count;
    if (count % 1'000 == 0) return count / 1'000;
    why = in_quotes(text) + " is no number of whole seconds, which is what HTTP counts in";
    return std::nullopt;
}

std::string show(std::uint64_t value, quantity what) {
    switch (what) {
        case quantity::whole:
            return std::to_string(value);
        case quantity::percent:
            return std::to_string(value) + "%";
        case quantity::bytes:
            return size_text(value);
        case quantity::rate:
            return rate_text(value);
        case quantity::duration:
            return duration_text(std::chrono::milliseconds(value));
        case quantity::whole_seconds:
            return duration_text(std::chrono::seconds(value));
    }
    return {};
}

}  // namespace

std::optional<std::uint64_t> read_quantity(const node& from, const std::string& path, quantity what, range allowed,
                                           report& to) {
    if (!from.is_scalar()) {
        to.fault(from.where, path + ": this has to be a single value, not " + std::string(kind_of(from)));
        return std::nullopt;
    }
    std::string why;
    const auto value = parse(from.text, what, why);
    if (!value) {
        to.fault(from.where, path + ": " + why);
        return std::nullopt;
    }
    if (*value < allowed.least || *value > allowed.most) {
        to.fault(from.where, path + ": " + in_quotes(from.text) + " is out of range; it may be " +
                                 show(allowed.least, what) + " to " + show(allowed.most, what));
        return std::nullopt;
    }
    return value;
}

mapping_reader::mapping_reader(const node& from, std::string path, report& to)
    : from_(from), path_(std::move(path)), report_(to), used_(from.items.size()) {
    if (from.is_mapping() || from.is_null()) return;
    report_.fault(from.where,
                  (path_.empty() ? "this" : path_) + " has to be a mapping of keys, not " + std::string(kind_of(from)));
}

std::string mapping_reader::path_of(std::string_view key) const {
    return path_.empty() ? std::string(key) : path_ + "." + std::string(key);
}

void mapping_reader::fault(const node& at, std::string_view key, const std::string& what) {
    report_.fault(at.where, path_of(key) + ": " + what);
}

std::optional<std::size_t> mapping_reader::find(std::string_view key) {
    known_.push_back(key);
    if (!from_.is_mapping()) return std::nullopt;
    for (std::size_t i = 0; i < from_.keys.size(); ++i) {
        if (from_.keys[i].name != key) continue;
        used_[i] = true;
        return i;
    }
    return std::nullopt;
}

const node* mapping_reader::take(std::string_view key) {
    const auto found = find(key);
    return found && !from_.items[*found].is_null() ? &from_.items[*found] : nullptr;
}

const node* mapping_reader::peek(std::string_view key) const {
    if (!from_.is_mapping()) return nullptr;
    const auto is_it = [key](const auto& each) { return each.name == key; };
    const auto found = std::find_if(from_.keys.begin(), from_.keys.end(), is_it);
    if (found == from_.keys.end()) return nullptr;
    const node& value = from_.items[static_cast<std::size_t>(found - from_.keys.begin())];
    return value.is_null() ? nullptr : &value;
}

const node* mapping_reader::take_scalar(std::string_view key) {
    const auto found = find(key);
    if (!found) return nullptr;
    const node& value = from_.items[*found];
    if (value.is_scalar() && !value.text.empty()) return &value;
    if (value.is_null() || value.is_scalar())
        report_.fault(from_.keys[*found].where, path_of(key) + " has no value; give one or leave the key out");
    else
        fault(value, key, "this has to be a single value, not " + std::string(kind_of(value)));
    return nullptr;
}

void mapping_reader::flag(std::string_view key, bool& out) {
    const node* value = take_scalar(key);
    if (value == nullptr) return;
    if (value->text == "true" || value->text == "on")
        out = true;
    else if (value->text == "false" || value->text == "off")
        out = false;
    else
        fault(*value, key, in_quotes(value->text) + " is neither true nor false");
}

std::optional<mapping_reader::taken> mapping_reader::take_number(std::string_view key, quantity what,
                                                                 std::string_view empty, range allowed) {
    const node* value = take_scalar(key);
    if (value == nullptr) return std::nullopt;
    if (!empty.empty() && value->text == empty) return taken{true, 0};
    if (empty != "off" && value->text == "off") {
        fault(*value, key,
              "this cannot be off; it may be " + show(allowed.least, what) + " to " + show(allowed.most, what));
        return std::nullopt;
    }
    const auto number = read_quantity(*value, path_of(key), what, allowed, report_);
    if (!number) return std::nullopt;
    return taken{false, *number};
}

void mapping_reader::number(std::string_view key, quantity what, unsigned& out, range allowed) {
    if (const auto got = take_number(key, what, {}, allowed)) out = static_cast<unsigned>(got->number);
}

void mapping_reader::number(std::string_view key, quantity what, std::uint64_t& out, range allowed) {
    if (const auto got = take_number(key, what, {}, allowed)) out = got->number;
}

void mapping_reader::number(std::string_view key, quantity what, std::optional<unsigned>& out, std::string_view empty,
                            range allowed) {
    const auto got = take_number(key, what, empty, allowed);
    if (!got) return;
    out.reset();
    if (!got->is_empty) out = static_cast<unsigned>(got->number);
}

void mapping_reader::number(std::string_view key, quantity what, std::optional<std::uint64_t>& out,
                            std::string_view empty, range allowed) {
    const auto got = take_number(key, what, empty, allowed);
    if (!got) return;
    out.reset();
    if (!got->is_empty) out = got->number;
}

void mapping_reader::duration(std::string_view key, std::chrono::milliseconds& out, range allowed) {
    if (const auto got = take_number(key, quantity::duration, {}, allowed))
        out = std::chrono::milliseconds(got->number);
}

void mapping_reader::duration(std::string_view key, std::optional<std::chrono::milliseconds>& out,
                              std::string_view empty, range allowed) {
    const auto got = take_number(key, quantity::duration, empty, allowed);
    if (!got) return;
    out.reset();
    if (!got->is_empty) out = std::chrono::milliseconds(got->number);
}

void mapping_reader::seconds(std::string_view key, std::optional<std::chrono::seconds>& out, range allowed) {
    const auto got = take_number(key, quantity::whole_seconds, "off", allowed);
    if (!got) return;
    out.reset();
    if (!got->is_empty) out = std::chrono::seconds(got->number);
}

std::optional<std::size_t> mapping_reader::choose(std::string_view key, const std::vector<std::string_view>& words) {
    const node* value = take_scalar(key);
    if (value == nullptr) return std::nullopt;
    const auto found = std::find(words.begin(), words.end(), value->text);
    if (found != words.end()) return static_cast<std::size_t>(found - words.begin());
    auto guess = did_you_mean(value->text, words);
    if (guess.empty()) guess = "; it may be " + alternatives(words);
    fault(*value, key, in_quotes(value->text) + " is not known" + guess);
    return std::nullopt;
}

void mapping_reader::section(std::string_view key, const std::function<void(mapping_reader&)>& read,
                             std::string_view defaults) {
    const node* value = take(key);
    if (value == nullptr || (!defaults.empty() && value->is_scalar() && value->text == defaults)) return;
    mapping_reader inner(*value, path_of(key), report_);
    read(inner);
    inner.finish();
}

const node* mapping_reader::list(std::string_view key, bool allow_one, const std::function<void(const node&)>& each) {
    const node* value = take(key);
    if (value == nullptr) return nullptr;
    if (value->is_sequence())
        std::for_each(value->items.begin(), value->items.end(), each);
    else if (allow_one)
        each(*value);
    else
        fault(*value, key, "this has to be a list, not " + std::string(kind_of(*value)));
    return value;
}

void mapping_reader::not_built(std::string_view key) {
    const auto found = find(key);
    if (!found) return;
    const node& value = from_.items[*found];
    if (value.is_scalar() && value.text == "off") return;
    report_.fault(from_.keys[*found].where, path_of(key) + " is not built yet; leave it out or write off");
}

void mapping_reader::finish() {
    for (std::size_t i = 0; i < from_.keys.size(); ++i) {
        if (used_[i]) continue;
        const key& unknown = from_.keys[i];
        auto guess = did_you_mean(unknown.name, known_);
        if (guess.empty() && known_.size() <= most_listed_keys) guess = "; it may have " + alternatives(known_);
        report_.fault(unknown.where, "unknown key " + in_quotes(unknown.name) +
                                         (path_.empty() ? std::string(" at the top level") : " in " + path_) + guess);
    }
}

}  // namespace weir::conf

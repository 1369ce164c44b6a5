// Reads the keys of one mapping into settings and refuses what it was not asked for.
//
// Each call names a key, which makes it known, and takes its value if it is there; a value that is wrong is a fault and
// leaves the default. finish() then refuses the keys that nobody named. Where a value may be `off` or `auto`, the call
// takes an optional and the word that empties it.
#pragma once

#include "conf/document.hpp"
#include "conf/report.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir::conf {

// How a number is written, and what it counts.
enum class quantity {
    whole,
    percent,
    bytes,
    rate,          // bytes a second
    duration,      // milliseconds
    whole_seconds  // written as a duration, in seconds
};

// The bounds of a value, both allowed.
struct range {
    std::uint64_t least;
    std::uint64_t most;
};

inline constexpr range any_timeout{1, 30ULL * 24 * 3'600'000};  // 1ms to 30 days

// The number that the scalar `from` writes. Nothing, and a fault that begins with `path`, if it is none or out of
// range.
std::optional<std::uint64_t> read_quantity(const node& from, const std::string& path, quantity what, range allowed,
                                           report& to);

class mapping_reader {
  public:
    // `from` has to outlive the reader; anything but a mapping or null is a fault, and reads as empty. `path` is the
    // key that it belongs to, such as "upstreams.app", empty at the top.
    mapping_reader(const node& from, std::string path, report& to);

    // True if `key` is there, with or without a value.
    bool has(std::string_view key) { return find(key).has_value(); }
    // The value of `key`, null if it is not there or is null (all below it may be commented out).
    const node* take(std::string_view key);
    // The same for what has to be a scalar: another kind, or nothing after the colon, is a fault.
    const node* take_scalar(std::string_view key);
    // As take, for a key whose value says which call reads it: that call makes it known.
    const node* peek(std::string_view key) const;

    void flag(std::string_view key, bool& out);
    void number(std::string_view key, quantity what, unsigned& out, range allowed);
    void number(std::string_view key, quantity what, std::uint64_t& out, range allowed);
    void number(std::string_view key, quantity what, std::optional<unsigned>& out, std::string_view empty,
                range allowed);
    void number(std::string_view key, quantity what, std::optional<std::uint64_t>& out, std::string_view empty,
                range allowed);
    void duration(std::string_view key, std::chrono::milliseconds& out, range allowed = any_timeout);
    void duration(std::string_view key, std::optional<std::chrono::milliseconds>& out, std::string_view empty,
                  range allowed = any_timeout);
    void seconds(std::string_view key, std::optional<std::chrono::seconds>& out, range allowed);

    template <class Enum>
    void choice(std::string_view key, Enum& out, std::initializer_list<std::pair<std::string_view, Enum>> words) {
        std::vector<std::string_view> names;
        for (const auto& word : words) names.push_back(word.first);
        if (const auto found = choose(key, names)) out = (words.begin() + *found)->second;
    }

    // Has `read` take the keys of the mapping at `key`, and refuses the others. `defaults`: a word that may stand for
    // the mapping where all defaults of it are off.
    void section(std::string_view key, const std::function<void(mapping_reader&)>& read,
                 std::string_view defaults = {});

    // The same where the mapping may be off, which empties `out`; `read` takes the keys into what was in `out`, or into
    // the defaults of a Section.
    template <class Section, class Read>
    void section_or_off(std::string_view key, std::optional<Section>& out, Read read) {
        const node* value = take(key);
        if (value == nullptr) return;
        if (value->is_scalar() && value->text == "off") {
            out.reset();
            return;
        }
        if (!out) out.emplace();
        mapping_reader inner(*value, path_of(key), report_);
        read(inner, *out);
        inner.finish();
    }

    // Each entry of the list at `key`; a scalar or a map stands for a list of itself if `allow_one`. Returns the list,
    // null where there is none.
    const node* list(std::string_view key, bool allow_one, const std::function<void(const node&)>& each);

    // A key of the contract that nothing here does yet; it may be off.
    void not_built(std::string_view key);

    // Reports the keys that were not named above.
    void finish();

    void fault(const node& at, std::string_view key, const std::string& what);
    std::string path_of(std::string_view key) const;
    const place& where() const { return from_.where; }
    report& to() { return report_; }

  private:
    struct taken {
        bool is_empty;  // the word that empties an optional
        std::uint64_t number;
    };

    std::optional<std::size_t> find(std::string_view key);
    std::optional<std::size_t> choose(std::string_view key, const std::vector<std::string_view>& words);
    std::optional<taken> take_number(std::string_view key, quantity what, std::string_view empty, range allowed);

    const node& from_;
    std::string path_;
    report& report_;
    std::vector<std::string_view> known_;
    std::vector<bool> used_;  // by index in from_
};

}  // namespace weir::conf

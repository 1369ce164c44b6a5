#include "proxy/http/field_names.hpp"

#include <array>
#include <cstdint>
#include <cstring>

namespace weir::http {

namespace {

constexpr unsigned table_bits = 10;
constexpr std::size_t table_size = std::size_t{1} << table_bits;

template <class Word>
std::uint64_t word_at(const char* bytes) {
    Word word;
    std::memcpy(&word, bytes, sizeof word);
    return word;
}

// Of the size, the first and the last eight bytes; letters of both cases give the same. `name` is not empty.
std::size_t hash(std::string_view name) {
    constexpr std::uint64_t any_case = 0x2020202020202020;
    const char* const first = name.data();
    const char* const last = first + name.size();
    std::uint64_t front, back;
    if (name.size() >= 8) {
        front = word_at<std::uint64_t>(first);
        back = word_at<std::uint64_t>(last - 8);
    } else if (name.size() >= 4) {
        front = word_at<std::uint32_t>(first);
        back = word_at<std::uint32_t>(last - 4);
    } else {
        front = static_cast<unsigned char>(*first);
        back = static_cast<unsigned char>(last[-1]);
    }
    const std::uint64_t mixed = (front | any_case) * 0x9e3779b97f4a7c15 ^ ((back | any_case) + name.size());
    return static_cast<std::size_t>((mixed * 0xff51afd7ed558ccd) >> (64 - table_bits));
}

class name_table {
  public:
    name_table() {
        for (unsigned n = 1; n <= static_cast<unsigned>(field_id::xref); ++n) {  // the last one of Beast's
            const auto id = static_cast<field_id>(n);
            const auto text = boost::beast::http::to_string(id);
            std::size_t at = hash({text.data(), text.size()});
            while (slots_[at].size > 0) at = (at + 1) % table_size;
            slots_[at] = {text.data(), static_cast<std::uint16_t>(text.size()), id};
        }
    }
    field_id find(std::string_view name) const {
        for (std::size_t at = hash(name); slots_[at].size > 0; at = (at + 1) % table_size) {
            if (iequals({slots_[at].text, slots_[at].size}, name)) return slots_[at].id;
        }
        return field_id::unknown;
    }

  private:
    struct slot {
        const char* text = nullptr;
        std::uint16_t size = 0;
        field_id id = field_id::unknown;
    };
    std::array<slot, table_size> slots_;
};

const name_table names;

}  // namespace

field_id find_field_id(std::string_view name) {
    return name.empty() ? field_id::unknown : names.find(name);
}

}  // namespace weir::http

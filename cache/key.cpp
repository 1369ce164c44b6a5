#include "cache/key.hpp"

#include <algorithm>

#include "proxy/http/fields.hpp"
#include "proxy/http/target.hpp"

namespace weir::cache {

namespace {

constexpr std::size_t max_vary_names = 16;
constexpr int end_of_value = -1;

bool is_space(char c) {
    return c == ' ' || c == '\t';
}

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

bool is_field(http::field_view field, const vary_field& named) {
    if (field.id != named.id) return false;
    return field.id != http::field_id::unknown || http::iequals(field.name, named.name);
}

// Fields in which a comma separates nothing: white space beside it means something.
bool is_list(http::field_id id) {
    switch (id) {
        case http::field_id::cookie:
        case http::field_id::authorization:
        case http::field_id::proxy_authorization:
        case http::field_id::user_agent:
        case http::field_id::referer:
        case http::field_id::origin:
        case http::field_id::host:
        case http::field_id::from:
            return false;
        default:
            return true;
    }
}

bool ignores_case(http::field_id id) {
    return id == http::field_id::accept_encoding || id == http::field_id::accept_language;
}

// Reads a field's value byte by byte, its lines joined by a comma and, in lists, without the white space around commas.
// Quoted strings stay as they are. Linear, and needs no memory, however the value is cut into lines.
class value_reader {
  public:
    value_reader(std::string_view whole, bool list) : line_(whole), list_(list) {}
    value_reader(const http::field_list& fields, const vary_field& named, bool list)
        : fields_(&fields), named_(&named), list_(list) {
        find_line();
    }

    // The next byte, or end_of_value.
    int next() {
        if (pending_space_) {
            pending_space_ = false;
            return ' ';
        }
        if (list_ && !quoted_) skip_space();
        if (at_ < line_.size()) return take(line_[at_++]);
        if (!find_line()) return end_of_value;
        pending_space_ = !list_;
        last_ = ',';
        quoted_ = escaped_ = false;
        return ',';
    }

  private:
    unsigned char take(char c) {
        if (escaped_) {
            escaped_ = false;
        } else if (c == '"') {
            quoted_ = !quoted_;
        } else if (quoted_ && c == '\\') {
            escaped_ = true;
        }
        last_ = c;
        return static_cast<unsigned char>(c);
    }

    // White space goes where a comma or an end is beside it; what lies within a member is looked at once.
    void skip_space() {
        if (at_ < kept_until_ || at_ >= line_.size() || !is_space(line_[at_])) return;
        std::size_t end = at_;
        while (end < line_.size() && is_space(line_[end])) ++end;
        if (last_ == ',' || end == line_.size() || line_[end] == ',') {
            at_ = end;
        } else {
            kept_until_ = end;
        }
    }

    bool find_line() {
        if (!fields_) return false;
        for (; index_ < fields_->size(); ++index_) {
            const http::field_view field = (*fields_)[index_];
            if (!is_field(field, *named_)) continue;
            line_ = field.value;
            at_ = kept_until_ = 0;
            ++index_;
            return true;
        }
        return false;
    }

    const http::field_list* fields_ = nullptr;
    const vary_field* named_ = nullptr;
    std::size_t index_ = 0;  // of the field to look at next
    std::string_view line_;
    std::size_t at_ = 0;
    std::size_t kept_until_ = 0;
    bool list_;
    bool quoted_ = false;
    bool escaped_ = false;
    bool pending_space_ = false;
    char last_ = ',';
};

bool same_value(value_reader a, value_reader b, bool fold_case) {
    for (;;) {
        const int left = a.next();
        const int right = b.next();
        if (left != right) {
            if (!fold_case || left == end_of_value || right == end_of_value) return false;
            if (lower(static_cast<char>(left)) != lower(static_cast<char>(right))) return false;
        }
        if (left == end_of_value) return true;
    }
}

bool same_value(const vary_field& a, const vary_field& b) {
    if (a.value == b.value) return true;
    if (!a.value || !b.value) return false;
    const bool list = is_list(a.id);
    return same_value(value_reader(*a.value, list), value_reader(*b.value, list), ignores_case(a.id));
}

struct found_lines {
    std::size_t count = 0;
    std::string_view first;
};

found_lines find_lines(const http::field_list& request, const vary_field& named) {
    // Most names that Vary gives have an id, and comparing ids is what a hit has time for.
    if (named.id != http::field_id::unknown) return {request.count(named.id), request.value(named.id)};
    found_lines lines;
    for (const http::field_view field : request) {
        if (is_field(field, named) && ++lines.count == 1) lines.first = field.value;
    }
    return lines;
}

bool matches(const vary_field& stored, const http::field_list& request) {
    const found_lines lines = find_lines(request, stored);
    if (lines.count == 0 || !stored.value) return lines.count == 0 && !stored.value;
    if (lines.count == 1 && lines.first == *stored.value) return true;
    const bool list = is_list(stored.id);
    return same_value(value_reader(*stored.value, list), value_reader(request, stored, list), ignores_case(stored.id));
}

vary_field vary_field_of(std::string_view name, const http::field_list& request) {
    vary_field field;
    field.name.resize(name.size());
    std::transform(name.begin(), name.end(), field.name.begin(), lower);
    field.id = boost::beast::http::string_to_field({name.data(), name.size()});
    for (const http::field_view line : request) {
        if (!is_field(line, field)) continue;
        if (field.value) {
            field.value->append(", ").append(line.value);
        } else {
            field.value.emplace(line.value);
        }
    }
    return field;
}

}  // namespace

void make_key(std::string_view scheme, std::string_view host, std::string_view target, std::string& out) {
    out.clear();
    out.append(scheme).append("://");
    if (!host.empty()) http::append_normalised_host(host, scheme, out);
    out.append(target);
}

std::optional<std::vector<vary_field>> vary_of(const http::field_list& response, const http::field_list& request) {
    std::vector<vary_field> vary;
    const auto is_refused = [&](std::string_view name) {
        if (name == "*" || !http::valid_field_name(name)) return true;
        // The origin saw weir's own, not the client's.
        if (http::iequals(name, "Forwarded") || http::tells_of_client({http::field_id::unknown, name, {}})) return true;
        const auto is_same = [&](const vary_field& known) { return http::iequals(known.name, name); };
        if (std::any_of(vary.begin(), vary.end(), is_same)) return false;
        if (vary.size() == max_vary_names) return true;
        vary.push_back(vary_field_of(name, request));
        return false;
    };
    for (const http::field_view field : response) {
        if (field.id == http::field_id::vary && http::any_element(field.value, is_refused)) return std::nullopt;
    }
    vary.shrink_to_fit();
    return vary;
}

bool selects(const std::vector<vary_field>& vary, const http::field_list& request) {
    return std::all_of(vary.begin(), vary.end(), [&](const vary_field& field) { return matches(field, request); });
}

bool is_superseded(const std::vector<vary_field>& older, const std::vector<vary_field>& newer) {
    return std::all_of(older.begin(), older.end(), [&](const vary_field& old) {
        return std::any_of(newer.begin(), newer.end(), [&](const vary_field& candidate) {
            return candidate.name == old.name && same_value(old, candidate);
        });
    });
}

}  // namespace weir::cache

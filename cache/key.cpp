#include "cache/key.hpp"

#include <algorithm>

#include "cache/cookies.hpp"
#include "proxy/http/field_names.hpp"
#include "proxy/http/fields.hpp"
#include "proxy/http/target.hpp"

namespace weir::cache {

namespace {

constexpr int end_of_value = -1;

// What a Vary member Cookie holds where only personal or not counts. No field value begins with a line break.
constexpr std::string_view is_personal = "\npersonal";
constexpr std::string_view is_not_personal = "\nshared";

bool is_space(char c) {
    return c == ' ' || c == '\t';
}

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

bool is_field(http::field_view field, const vary_view& named) {
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
    value_reader(const http::field_list& fields, const vary_view& named, bool list)
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
    const vary_view* named_ = nullptr;
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

bool same_value(const vary_view& a, const vary_view& b) {
    if (a.value == b.value) return true;
    if (!a.value || !b.value) return false;
    const bool list = is_list(a.id);
    return same_value(value_reader(*a.value, list), value_reader(*b.value, list), ignores_case(a.id));
}

struct found_lines {
    std::size_t count = 0;
    std::string_view first;
};

found_lines find_lines(const http::field_list& request, const vary_view& named) {
    // Most names that Vary gives have an id, and comparing ids is what a hit has time for.
    if (named.id != http::field_id::unknown) return {request.count(named.id), request.value(named.id)};
    found_lines lines;
    for (const http::field_view field : request) {
        if (is_field(field, named) && ++lines.count == 1) lines.first = field.value;
    }
    return lines;
}

std::string_view personal_text(bool personal) {
    return personal ? is_personal : is_not_personal;
}

bool matches(const vary_view& stored, const request_view& view) {
    if (stored.id == http::field_id::cookie && view.personal && stored.value && stored.value->starts_with('\n'))
        return *stored.value == personal_text(*view.personal);
    const http::field_list& request = view.fields;
    const found_lines lines = find_lines(request, stored);
    if (lines.count == 0 || !stored.value) return lines.count == 0 && !stored.value;
    if (lines.count == 1 && lines.first == *stored.value) return true;
    const bool list = is_list(stored.id);
    return same_value(value_reader(*stored.value, list), value_reader(request, stored, list), ignores_case(stored.id));
}

vary_field vary_field_of(std::string_view name, const request_view& request) {
    vary_field field;
    field.name.resize(name.size());
    std::transform(name.begin(), name.end(), field.name.begin(), lower);
    field.id = http::find_field_id(name);
    if (field.id == http::field_id::cookie && request.personal) {
        field.value.emplace(personal_text(*request.personal));
        return field;
    }
    for (const http::field_view line : request.fields) {
        if (!is_field(line, field)) continue;
        if (field.value) {
            field.value->append(", ").append(line.value);
        } else {
            field.value.emplace(line.value);
        }
    }
    return field;
}

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// Takes one character off a parameter's name, percent-decoded; a broken escape stands for itself.
char take_decoded(std::string_view& name) {
    if (name.size() >= 3 && name[0] == '%' && hex_digit(name[1]) >= 0 && hex_digit(name[2]) >= 0) {
        const char decoded = static_cast<char>(hex_digit(name[1]) * 16 + hex_digit(name[2]));
        name.remove_prefix(3);
        return decoded;
    }
    const char plain = name.front();
    name.remove_prefix(1);
    return plain;
}

// A final * of `pattern` stands for any rest.
bool is_named(std::string_view name, std::string_view pattern) {
    const bool any_rest = pattern.ends_with('*');
    if (any_rest) pattern.remove_suffix(1);
    for (const char expected : pattern) {
        if (name.empty() || take_decoded(name) != expected) return false;
    }
    return any_rest || name.empty();
}

bool counts(std::string_view parameter, const conf::key_settings& settings) {
    const std::string_view name = parameter.substr(0, parameter.find('='));
    const auto names_it = [name](const std::string& pattern) { return is_named(name, pattern); };
    const auto& listed = settings.query_names;
    if (settings.query == conf::key_settings::query_parts::listed &&
        std::none_of(listed.begin(), listed.end(), names_it))
        return false;
    return std::none_of(settings.ignore_query.begin(), settings.ignore_query.end(), names_it);
}

void append_escaped(std::string_view value, std::string& out) {
    for (const char c : value) {
        if (c == '\n') {
            out += "\\n";
        } else {
            out.append(c == '\\' ? 2 : 1, c);
        }
    }
}

void append_keyed_field(std::string_view name, const http::field_list& request, std::string& out) {
    out.append("\n").append(name) += ':';
    std::string_view separator = " ";
    for (const http::field_view field : request) {
        if (!http::iequals(field.name, name)) continue;
        out.append(separator);
        append_escaped(field.value, out);
        separator = ", ";
    }
}

void append_keyed_cookie(std::string_view name, const http::field_list& request, std::string& out) {
    out.append("\n").append(name) += '=';
    std::string_view separator = " ";
    cookie_reader cookies(request, name);
    while (const auto value = cookies.next()) {
        out.append(separator);
        append_escaped(*value, out);
        separator = "; ";
    }
}

}  // namespace

void make_key(std::string_view scheme, std::string_view host, std::string_view target,
              const conf::key_settings& settings, const http::field_list& request, std::string& out) {
    out.clear();
    out.append(scheme).append("://").append(host);
    append_keyed_target(target, settings, out);
    for (const std::string& name : settings.headers) append_keyed_field(name, request, out);
    for (const std::string& name : settings.cookies) append_keyed_cookie(name, request, out);
}

std::string_view url_of(std::string_view key) {
    constexpr std::string_view mark = "://";
    const std::size_t scheme = key.find(mark);
    if (scheme != key.npos) key.remove_prefix(scheme + mark.size());
    return key.substr(0, key.find('\n'));
}

std::string_view origin_of(std::string_view key) {
    const std::size_t mark = key.find("://");
    return key.substr(0, mark == key.npos ? 0 : std::min(key.find_first_of("/\n?*", mark + 3), key.size()));
}

void append_keyed_target(std::string_view target, const conf::key_settings& settings, std::string& out) {
    using parts = conf::key_settings::query_parts;
    const std::size_t mark = target.find('?');
    if (mark == target.npos || (settings.query == parts::all && settings.ignore_query.empty())) {
        out.append(target);
        return;
    }
    out.append(target.substr(0, mark));
    if (settings.query == parts::none) return;
    char separator = '?';
    std::string_view rest = target.substr(mark + 1);
    while (!rest.empty()) {
        const std::size_t end = std::min(rest.find('&'), rest.size());
        const std::string_view parameter = rest.substr(0, end);
        rest.remove_prefix(std::min(end + 1, rest.size()));
        if (parameter.empty() || !counts(parameter, settings)) continue;
        out += separator;
        out.append(parameter);
        separator = '&';
    }
}

std::optional<std::vector<vary_field>> vary_of(const http::field_list& response, const request_view& request) {
    std::vector<vary_field> vary;
    const auto is_refused = [&](std::string_view name) {
        if (name == "*" || !http::valid_field_name(name)) return true;
        // These two are in every key.
        if (http::iequals(name, "X-Forwarded-Proto") || http::iequals(name, "X-Forwarded-Host")) return false;
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

std::vector<vary_field> vary_of(const std::vector<vary_field>& names, const request_view& request) {
    std::vector<vary_field> vary;
    vary.reserve(names.size());
    for (const vary_field& field : names) vary.push_back(vary_field_of(field.name, request));
    return vary;
}

void append_canonical_value(const vary_view& field, std::string& out) {
    value_reader reader(*field.value, is_list(field.id));
    const bool fold_case = ignores_case(field.id);
    for (int byte = reader.next(); byte != end_of_value; byte = reader.next()) {
        const char c = static_cast<char>(byte);
        out += fold_case ? lower(c) : c;
    }
}

bool selects(const std::vector<vary_field>& vary, const request_view& request) {
    return std::all_of(vary.begin(), vary.end(), [&](const vary_field& field) { return matches(field, request); });
}

bool selects(const stored_vary& vary, const request_view& request) {
    return std::all_of(vary.begin(), vary.end(), [&](const vary_view& field) { return matches(field, request); });
}

bool is_superseded(const stored_vary& older, const stored_vary& newer) {
    return std::all_of(older.begin(), older.end(), [&](const vary_view& old) {
        return std::any_of(newer.begin(), newer.end(), [&](const vary_view& candidate) {
            return candidate.name == old.name && same_value(old, candidate);
        });
    });
}

}  // namespace weir::cache

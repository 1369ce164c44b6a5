#include "conf/names.hpp"

#include "conf/header_rules.hpp"
#include "conf/words.hpp"

#include <algorithm>
#include <span>
#include <utility>

namespace weir::conf {
namespace {

constexpr std::size_t longest_name = 256;

// Fields that cannot tell stored responses apart, in lower case, with the reason and the cure.
struct unkeyable {
    std::span<const std::string_view> names;
    std::string_view why;
};

constexpr std::string_view cookie_fields[] = {"cookie", "cookie2"};
constexpr std::string_view host_fields[] = {"host"};
constexpr std::string_view range_fields[] = {"range", "if-range"};
constexpr std::string_view condition_fields[] = {"if-match", "if-none-match", "if-modified-since",
                                                 "if-unmodified-since"};
constexpr std::string_view connection_fields[] = {
    "connection",     "keep-alive",     "proxy-connection",    "te",     "trailer",      "upgrade", "transfer-encoding",
    "http2-settings", "content-length", "proxy-authorization", "expect", "max-forwards", "via"};
constexpr std::string_view directive_fields[] = {"cache-control", "pragma"};
constexpr std::string_view client_fields[] = {"forwarded", "x-real-ip", "x-request-id", "x-request-start",
                                              "x-queue-time"};

constexpr std::string_view set_by_weir =
    "is set by weir itself, and what a client sends of it goes nowhere; remove this";

constexpr unkeyable unkeyables[] = {
    {cookie_fields, "differs from client to client; use key.cookies with the names of those that matter"},
    {host_fields, "is in every key already; remove this"},
    {range_fields, "asks for a part of what is stored, which every range is taken from; remove this"},
    {condition_fields, "is a condition on what is stored, which weir evaluates; remove this"},
    {connection_fields, "belongs to one message or connection and says nothing of the response; remove this"},
    {directive_fields, "speaks to caches; see client_directives, and remove this"},
    {client_fields, set_by_weir}};

std::string_view why_not_keyed(std::string_view name) {
    for (const unkeyable& each : unkeyables) {
        if (std::find(each.names.begin(), each.names.end(), name) != each.names.end()) return each.why;
    }
    if (name.starts_with("x-forwarded-")) return set_by_weir;
    if (name.find('_') != name.npos) return "has an underscore, and weir forwards no such field; remove this";
    return {};
}

std::string field_fault(const std::string& name, bool keyed) {
    if (!is_token(name)) return in_quotes(name) + " is no field name; it has letters, digits and -";
    const auto why = keyed ? why_not_keyed(lower_case(name)) : std::string_view();
    return why.empty() ? std::string() : name + " " + std::string(why);
}

std::string parameter_fault(const std::string& name, bool pattern) {
    const bool visible = std::all_of(name.begin(), name.end(), [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return byte > 0x20 && byte != 0x7f;
    });
    if (name.empty() || name.size() > longest_name || !visible || name.find_first_of("&=?#") != name.npos)
        return in_quotes(name) + " is no name of a parameter; write what stands before the =";
    if (name.find('%') != name.npos)
        return in_quotes(name) + " has a %; write the name itself, which matches however a client escapes it";
    const auto star = name.find('*');
    if (star == name.npos) return {};
    if (!pattern) return in_quotes(name) + " has a *; only ignore_query takes patterns, write each name";
    if (name == "*") return "\"*\" ignores every parameter; write \"query: none\" instead";
    if (star + 1 < name.size()) return in_quotes(name) + " has a * inside; it may only end a pattern, such as utm_*";
    return {};
}

// What is wrong with a name; empty where nothing is.
std::string fault_of(const std::string& name, name_kind kind) {
    switch (kind) {
        case name_kind::field:
        case name_kind::field_in_lower_case:
        case name_kind::keyed_field:
            return field_fault(name, kind == name_kind::keyed_field);
        case name_kind::cookie:
            return is_token(name) ? std::string()
                                  : in_quotes(name) + " is no name of a cookie; it has letters, digits and - _ .";
        case name_kind::parameter:
        case name_kind::parameter_pattern:
            break;
    }
    return parameter_fault(name, kind == name_kind::parameter_pattern);
}

}  // namespace

const node* read_names(mapping_reader& from, std::string_view key, name_kind kind, std::vector<std::string>& out) {
    std::vector<std::string> names;
    const node* list = from.list(key, false, [&](const node& each) {
        if (!each.is_scalar()) {
            from.fault(each, key, "this has to be a list of names");
            return;
        }
        const auto fault = fault_of(each.text, kind);
        if (!fault.empty()) {
            from.fault(each, key, fault);
            return;
        }
        const bool lower = kind == name_kind::field_in_lower_case || kind == name_kind::keyed_field;
        std::string name = lower ? lower_case(each.text) : each.text;
        if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(std::move(name));
    });
    if (list != nullptr) out = std::move(names);
    return list;
}

}  // namespace weir::conf

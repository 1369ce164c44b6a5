#include "proxy/http/fields.hpp"

#include <algorithm>

namespace weir::http {

namespace {

bool starts_with_no_case(std::string_view name, std::string_view prefix) {
    return iequals(name.substr(0, prefix.size()), prefix);
}

// What a Connection field cannot take away: framing, Host, and what weir itself says.
bool is_protected(field_view field) {
    switch (field.id) {
        case field_id::host:
        case field_id::content_length:
        case field_id::transfer_encoding:
        case field_id::via:
        case field_id::date:
        case field_id::age:
            return true;
        case field_id::unknown:
            if (iequals(field.name, "Cache-Status") || iequals(field.name, "Proxy-Status")) return true;
            break;
        default:
            break;
    }
    return tells_of_client(field);
}

}  // namespace

bool is_hop_by_hop(field_view field) {
    switch (field.id) {
        case field_id::connection:
        case field_id::keep_alive:
        case field_id::proxy_connection:
        case field_id::te:
        case field_id::trailer:
        case field_id::transfer_encoding:
        case field_id::upgrade:
        case field_id::proxy_authenticate:
        case field_id::proxy_authorization:
        case field_id::proxy_authentication_info:
        case field_id::http2_settings:
        case field_id::content_length:
            return true;
        default:
            return false;
    }
}

connection_options::connection_options(const field_list& fields)
    : fields_(&fields), any_(fields.has(field_id::connection)) {}

bool connection_options::has(std::string_view option) const {
    if (!any_) return false;
    return std::any_of(fields_->begin(), fields_->end(), [option](field_view field) {
        return field.id == field_id::connection &&
               any_element(field.value, [option](std::string_view element) { return iequals(element, option); });
    });
}

bool connection_options::names(field_view field) const {
    return any_ && has(field.name) && !is_protected(field);
}

bool has_underscore(std::string_view name) {
    return name.find('_') != std::string_view::npos;
}

bool tells_of_client(field_view field) {
    if (field.id == field_id::forwarded) return true;
    // Beast's table has none of the others.
    if (field.id != field_id::unknown || !starts_with_no_case(field.name, "X-")) return false;
    const std::string_view name = field.name.substr(2);
    return starts_with_no_case(name, "Forwarded-") || iequals(name, "Real-IP") || iequals(name, "Request-ID") ||
           iequals(name, "Request-Start") || iequals(name, "Queue-Time");
}

bool valid_field_name(std::string_view name) {
    return !name.empty() && std::all_of(name.begin(), name.end(), is_token_character);
}

bool valid_field_value(std::string_view value) {
    return std::none_of(value.begin(), value.end(), is_control);
}

}  // namespace weir::http

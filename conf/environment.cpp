#include "conf/environment.hpp"

#include "conf/words.hpp"

#include <cstdlib>
#include <string_view>

namespace weir::conf {
namespace {

bool is_variable_name(std::string_view name) {
    constexpr std::string_view allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";
    return !name.empty() && name.find_first_not_of(allowed) == std::string_view::npos &&
           (name.front() < '0' || name.front() > '9');
}

// Appends what the inside of one ${...} stands for.
bool append_value(std::string_view inside, std::string& out, std::string& why) {
    const auto separator = inside.find(":-");
    const std::string name(inside.substr(0, separator));
    if (!is_variable_name(name)) {
        why = in_quotes("${" + std::string(inside) + "}") +
              " names no environment variable; write ${NAME}, ${NAME:-default}, or $${ for a literal ${";
        return false;
    }
    const char* value = std::getenv(name.c_str());
    if (separator != std::string_view::npos) {
        out += value != nullptr && *value != '\0' ? std::string_view(value) : inside.substr(separator + 2);
        return true;
    }
    if (value == nullptr) {
        why = "the environment variable " + name + " is not set; set it or write ${" + name + ":-default}";
        return false;
    }
    out += value;
    return true;
}

}  // namespace

bool expand_environment(std::string& text, std::string& why) {
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
        const auto dollar = text.find("${", at);
        if (dollar == std::string::npos) {
            out.append(text, at);
            break;
        }
        if (dollar > at && text[dollar - 1] == '$') {
            out.append(text, at, dollar - 1 - at).append("${");
            at = dollar + 2;
            continue;
        }
        out.append(text, at, dollar - at);
        const auto end = text.find('}', dollar);
        if (end == std::string::npos) {
            why = in_quotes(text) + " has ${ without }; write ${NAME}, or $${ for a literal ${";
            return false;
        }
        if (!append_value(std::string_view(text).substr(dollar + 2, end - dollar - 2), out, why)) return false;
        at = end + 1;
    }
    text = std::move(out);
    return true;
}

std::string escape_environment(const std::string& text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text.compare(i, 2, "${") == 0) out += '$';
        out += text[i];
    }
    return out;
}

}  // namespace weir::conf

// ${NAME} and ${NAME:-default} in the values of a configuration.
#pragma once

#include <string>

namespace weir::conf {

// Replaces every ${NAME} in `text` by that environment variable and ${NAME:-default} by the default where the variable
// is not set or empty; "$${" becomes "${". What is put in is not looked at again. False if a variable without a default
// is not set or the text is malformed, and `why` then says so.
bool expand_environment(std::string& text, std::string& why);

// The text that expands to `text`.
std::string escape_environment(const std::string& text);

}  // namespace weir::conf

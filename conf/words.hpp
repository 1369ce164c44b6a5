// Words in messages: quoting what a file says, and guessing what was meant.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace weir::conf {

// `text` in double quotes, for one line of a message: control characters escaped, cut short when long.
std::string in_quotes(std::string_view text);

// ", did you mean "x"?" with the word of `known` that is nearest to `word`; empty if none is near. Pure.
std::string did_you_mean(std::string_view word, std::span<const std::string_view> known);

// "a, b or c"
std::string alternatives(std::span<const std::string_view> words);

// The same text with A to Z in lower case.
std::string lower_case(std::string_view text);

}  // namespace weir::conf

#include "conf/words.hpp"

#include <algorithm>
#include <cstdio>
#include <numeric>
#include <vector>

namespace weir::conf {
namespace {

constexpr std::size_t longest_quote = 80;
constexpr std::size_t longest_word = 64;  // no key of ours is longer; bounds the work for what is not one

// Insertions, deletions, replacements and swaps of neighbours that make `a` of `b`.
std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> before_last(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
    std::iota(last.begin(), last.end(), std::size_t{0});
    for (std::size_t i = 1; i <= a.size(); ++i) {
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = std::min(row[j], before_last[j - 2] + 1);
        }
        before_last.swap(last);
        last.swap(row);
    }
    return last[b.size()];
}

}  // namespace

std::string in_quotes(std::string_view text) {
    std::string out = "\"";
    // Not in the middle of a UTF-8 sequence.
    std::size_t keep = std::min(text.size(), longest_quote);
    while (keep < text.size() && keep > 0 && (static_cast<unsigned char>(text[keep]) & 0xc0) == 0x80) --keep;
    for (const char c : text.substr(0, keep)) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '\n')
            out += "\\n";
        else if (byte < 0x20 || byte == 0x7f) {
            char escape[5];
            std::snprintf(escape, sizeof escape, "\\x%02x", byte);
            out += escape;
        } else
            out += c;
    }
    if (keep < text.size()) out += "...";
    return out + "\"";
}

std::string did_you_mean(std::string_view word, std::span<const std::string_view> known) {
    if (word.empty() || word.size() > longest_word) return {};
    const std::string wanted = lower_case(word);
    // A third of the letters may be wrong, or the guess is no help.
    std::size_t best = std::max<std::size_t>(1, wanted.size() / 3) + 1;
    std::string_view guess;
    for (const std::string_view candidate : known) {
        if (candidate.size() > longest_word) continue;
        const auto distance = edit_distance(wanted, lower_case(candidate));
        if (distance >= best || distance >= wanted.size()) continue;
        best = distance;
        guess = candidate;
    }
    return guess.empty() ? std::string() : ", did you mean " + in_quotes(guess) + "?";
}

std::string alternatives(std::span<const std::string_view> words) {
    std::string out;
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (i > 0) out += i + 1 == words.size() ? " or " : ", ";
        out += words[i];
    }
    return out;
}

std::string lower_case(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    return out;
}

}  // namespace weir::conf

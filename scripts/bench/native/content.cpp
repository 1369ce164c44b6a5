#include "content.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cstdio>

namespace bench {

namespace {

constexpr std::size_t line_bytes = 512;
constexpr std::size_t number_bytes = 16;  // with the end of the line
constexpr std::size_t prefix_bytes = line_bytes - number_bytes;

std::string number(std::size_t line) {
    std::array<char, 32> text;
    std::snprintf(text.data(), text.size(), "%015zu\n", line);
    return text.data();
}

}  // namespace

pattern::pattern(std::string_view key) {
    const std::string digest = sha256(key);
    while (prefix_.size() < prefix_bytes) prefix_ += digest;
    prefix_.resize(prefix_bytes);
}

void pattern::append(std::string& to, std::size_t from, std::size_t size) const {
    while (size > 0) {
        const std::size_t start = from % line_bytes;
        const bool in_prefix = start < prefix_bytes;
        const std::size_t count = std::min(size, (in_prefix ? prefix_bytes : line_bytes) - start);
        if (in_prefix)
            to.append(prefix_, start, count);
        else
            to.append(number(from / line_bytes), start - prefix_bytes, count);
        from += count;
        size -= count;
    }
}

bool pattern::matches(std::size_t from, std::string_view part) const {
    std::string expected;
    expected.reserve(part.size());
    append(expected, from, part.size());
    return expected == part;
}

digest::digest() : context_(EVP_MD_CTX_new()) {
    EVP_DigestInit_ex(context_, EVP_sha256(), nullptr);
}

digest::~digest() {
    EVP_MD_CTX_free(context_);
}

void digest::add(std::string_view part) {
    EVP_DigestUpdate(context_, part.data(), part.size());
}

std::string digest::hex() {
    std::array<unsigned char, EVP_MAX_MD_SIZE> bytes;
    unsigned size = 0;
    EVP_DigestFinal_ex(context_, bytes.data(), &size);
    std::string text;
    for (unsigned i = 0; i < size; ++i) {
        constexpr std::string_view digits = "0123456789abcdef";
        text += digits[bytes[i] >> 4];
        text += digits[bytes[i] & 15];
    }
    return text;
}

std::string sha256(std::string_view content) {
    digest sum;
    sum.add(content);
    return sum.hex();
}

}  // namespace bench

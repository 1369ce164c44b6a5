#include "cache/memcached_key.hpp"

#include <openssl/evp.h>

#include <array>
#include <memory>
#include <new>

#include "cache/hex.hpp"
#include "cache/key.hpp"

namespace weir::cache {

namespace {

constexpr std::size_t digest_bytes = 32;
constexpr std::string_view no_value = "\1";  // no byte of a field's value

// EVP_sha256() would look its implementation up, under a lock, for every key.
const EVP_MD* sha256() {
    struct deleter {
        void operator()(EVP_MD* algorithm) const { EVP_MD_free(algorithm); }
    };
    static const std::unique_ptr<EVP_MD, deleter> algorithm(EVP_MD_fetch(nullptr, "SHA2-256", nullptr));
    return algorithm.get();
}

std::string hashed(std::string_view prefix, std::string_view text) {
    std::array<unsigned char, digest_bytes> digest;
    // What it fails for is memory.
    if (EVP_Digest(text.data(), text.size(), digest.data(), nullptr, sha256(), nullptr) != 1) throw std::bad_alloc();
    std::string key;
    key.reserve(prefix.size() + 1 + 2 * digest_bytes);
    key.append(prefix) += ':';
    for (const unsigned char byte : digest) {
        key += "0123456789abcdef"[byte >> 4];
        key += "0123456789abcdef"[byte & 0xf];
    }
    return key;
}

}  // namespace

std::string tier_key(std::string_view prefix, std::string_view cache_key) {
    return hashed(prefix, cache_key);
}

std::string variant_key(std::string_view prefix, std::string_view cache_key, const std::vector<vary_field>& vary) {
    if (vary.empty()) return tier_key(prefix, cache_key);
    // NUL is in no key, name or value.
    std::string text(cache_key);
    text += '\0';
    for (const vary_field& field : vary) {
        text.append(field.name) += '\0';
        if (field.value) {
            append_canonical_value(field, text);
        } else {
            text.append(no_value);
        }
        text += '\0';
    }
    return hashed(prefix, text);
}

std::string variant_key(std::string_view prefix, std::string_view cache_key, std::span<const std::string> vary_names,
                        const request_view& request) {
    std::vector<vary_field> names;
    names.reserve(vary_names.size());
    for (const std::string& name : vary_names) names.push_back({.name = name});
    return variant_key(prefix, cache_key, vary_of(names, request));
}

std::string lock_key(std::string_view value_key) {
    const std::size_t colon = value_key.rfind(':');
    std::string key(value_key.substr(0, colon));
    return key.append(":lock").append(value_key.substr(colon));
}

std::string chunk_key(std::string_view value_key, std::uint64_t generation, std::uint32_t index) {
    std::string key(value_key);
    key += ':';
    append_hex(generation, key);
    return key.append(":").append(std::to_string(index));
}

}  // namespace weir::cache

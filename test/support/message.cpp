#include "test/support/message.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <cctype>
#include <random>

namespace weir::test {
namespace {

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

std::vector<field> parse_fields(std::string_view lines) {
    std::vector<field> fields;
    while (!lines.empty()) {
        const auto end = lines.find("\r\n");
        if (end == std::string_view::npos) throw bad_message("a field line without CRLF");
        const auto line = lines.substr(0, end);
        lines.remove_prefix(end + 2);
        if (line.empty()) break;
        if (line.find_first_of("\r\n") != std::string_view::npos)
            throw bad_message("a bare CR or LF: " + std::string(line));
        const auto colon = line.find(':');
        if (colon == std::string_view::npos || colon == 0) throw bad_message("no field: " + std::string(line));
        fields.push_back({std::string(line.substr(0, colon)), std::string(trimmed(line.substr(colon + 1)))});
    }
    return fields;
}

void read_head(connection& from, message& into) {
    into.head = from.take_until("\r\n\r\n");
    into.raw = into.head;
    const auto end = into.head.find("\r\n");
    into.start_line = into.head.substr(0, end);
    into.fields = parse_fields(std::string_view(into.head).substr(end + 2));
}

std::size_t parse_size(std::string_view digits, int base) {
    std::size_t used = 0;
    const auto size = digits.empty() ? 0 : std::stoull(std::string(digits), &used, base);
    if (digits.empty() || used != digits.size()) throw bad_message("no size: " + std::string(digits));
    return size;
}

// Takes `count` bytes or as many as came, keeping them either way.
void take_content(connection& from, std::size_t count, message& into) {
    try {
        const auto bytes = from.take(count);
        into.raw += bytes;
        into.content += bytes;
    } catch (const connection_ended& ended) {
        into.raw += ended.rest;
        into.content += ended.rest;
        throw;
    }
}

void take_chunks(connection& from, message& into) {
    into.chunked = true;
    for (;;) {
        const auto line = from.take_until("\r\n");
        into.raw += line;
        // No extensions and no leading zeros: both ends of a test write chunk lines in the plainest form.
        const auto size = parse_size(std::string_view(line).substr(0, line.size() - 2), 16);
        if (size == 0) break;
        take_content(from, size, into);
        const auto end = from.take(2);
        into.raw += end;
        if (end != "\r\n") throw bad_message("no CRLF after a chunk");
    }
    std::string trailers;
    do {
        trailers += from.take_until("\r\n");
    } while (trailers != "\r\n" && !trailers.ends_with("\r\n\r\n"));
    into.raw += trailers;
    into.trailers = parse_fields(trailers);
}

// Takes framed content. False where the head announces none.
bool take_framed(connection& from, message& into) {
    const auto encoding = into.value("Transfer-Encoding");
    const auto length = into.value("Content-Length");
    if (encoding && length) throw bad_message("Content-Length beside Transfer-Encoding:\n" + into.head);
    if (encoding) {
        if (*encoding != "chunked") throw bad_message("Transfer-Encoding: " + *encoding);
        take_chunks(from, into);
        return true;
    }
    if (!length) return false;
    take_content(from, parse_size(*length, 10), into);
    return true;
}

bool has_no_content(const response& of, std::string_view method) {
    return method == "HEAD" || of.status / 100 == 1 || of.status == 204 || of.status == 304;
}

void read_response_content(connection& from, response& into, std::string_view method) {
    if (has_no_content(into, method)) return;
    if (take_framed(from, into)) {
        into.end = into.chunked ? content_end::by_last_chunk : content_end::by_length;
        return;
    }
    auto rest = from.take_to_end();
    into.raw += rest.bytes;
    into.content += rest.bytes;
    into.end = rest.how == ending::closed ? content_end::by_close : content_end::cut_by_reset;
}

}  // namespace

std::string lower(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return out;
}

std::size_t occurrences(std::string_view in, std::string_view of) {
    std::size_t count = 0;
    for (auto at = in.find(of); at != std::string_view::npos; at = in.find(of, at + of.size())) ++count;
    return count;
}

std::vector<std::string> message::values(std::string_view name) const {
    std::vector<std::string> all;
    for (const auto& one : fields) {
        if (lower(one.name) == lower(name)) all.push_back(one.value);
    }
    return all;
}

std::optional<std::string> message::value(std::string_view name) const {
    auto all = values(name);
    if (all.size() > 1) throw bad_message("more than one " + std::string(name) + ":\n" + head);
    if (all.empty()) return std::nullopt;
    return all.front();
}

bool message::lists(std::string_view name, std::string_view member) const {
    for (const auto& list : values(name)) {
        std::string_view rest = list;
        while (!rest.empty()) {
            const auto comma = rest.find(',');
            if (lower(trimmed(rest.substr(0, comma))) == lower(member)) return true;
            rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
        }
    }
    return false;
}

response read_response_head(connection& from) {
    response head;
    read_head(from, head);
    // HTTP/1.x SP 3DIGIT SP reason (RFC 9112 section 4): what weir writes is checked to the letter.
    const auto& line = head.start_line;
    if (!line.starts_with("HTTP/1.") || line.size() < 13 || line[8] != ' ' || line[12] != ' ')
        throw bad_message("no status line: " + line);
    head.version = line.substr(0, 8);
    head.status = static_cast<unsigned>(parse_size(line.substr(9, 3), 10));
    head.reason = line.substr(13);
    return head;
}

response read_broken_response(connection& from, std::string_view method) {
    std::vector<response> interim;
    for (;;) {
        auto head = read_response_head(from);
        if (head.status / 100 == 1 && head.status != 101) {
            interim.push_back(std::move(head));
            continue;
        }
        try {
            read_response_content(from, head, method);
        } catch (const connection_ended& ended) {
            head.end = ended.how == ending::closed ? content_end::cut_by_close : content_end::cut_by_reset;
        }
        head.interim = std::move(interim);
        return head;
    }
}

response read_response(connection& from, std::string_view method) {
    auto whole = read_broken_response(from, method);
    if (whole.end == content_end::cut_by_close) throw connection_ended(ending::closed, whole.raw);
    if (whole.end == content_end::cut_by_reset) throw connection_ended(ending::reset, whole.raw);
    return whole;
}

request read_request_head(connection& from) {
    request head;
    read_head(from, head);
    const auto first = head.start_line.find(' ');
    const auto last = head.start_line.rfind(' ');
    if (first == std::string::npos || first == last) throw bad_message("no request line: " + head.start_line);
    head.method = head.start_line.substr(0, first);
    head.target = head.start_line.substr(first + 1, last - first - 1);
    head.version = head.start_line.substr(last + 1);
    return head;
}

void read_request_content(connection& from, request& into) {
    take_framed(from, into);
}

request read_request(connection& from) {
    auto whole = read_request_head(from);
    read_request_content(from, whole);
    return whole;
}

std::string get(std::string_view target, std::string_view fields) {
    return "GET " + std::string(target) + " HTTP/1.1\r\nHost: test.example\r\n" + std::string(fields) + "\r\n";
}

std::string post(std::string_view target, std::string_view content, std::string_view fields) {
    return "POST " + std::string(target) +
           " HTTP/1.1\r\nHost: test.example\r\nContent-Length: " + std::to_string(content.size()) + "\r\n" +
           std::string(fields) + "\r\n" + std::string(content);
}

std::string ok(std::string_view content, std::string_view fields) {
    return "HTTP/1.1 200 OK\r\n" + std::string(fields) + "Content-Length: " + std::to_string(content.size()) +
           "\r\n\r\n" + std::string(content);
}

std::string in_chunks(std::string_view content, std::size_t size) {
    static const char digits[] = "0123456789abcdef";
    std::string out;
    while (!content.empty()) {
        const auto part = content.substr(0, size);
        std::string hex;
        for (auto left = part.size(); left != 0; left /= 16) hex.insert(hex.begin(), digits[left % 16]);
        out.append(hex).append("\r\n").append(part).append("\r\n");
        content.remove_prefix(part.size());
    }
    return out + "0\r\n\r\n";
}

std::string noise(std::size_t size, unsigned seed) {
    std::mt19937 generator(seed);
    std::string bytes(size, '\0');
    for (auto& byte : bytes) byte = static_cast<char>(generator());
    return bytes;
}

std::string sha256(std::string_view bytes) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    EVP_Digest(bytes.data(), bytes.size(), digest, &size, EVP_sha256(), nullptr);
    static const char digits[] = "0123456789abcdef";
    std::string hex;
    for (unsigned i = 0; i < size; ++i) {
        hex += digits[digest[i] >> 4];
        hex += digits[digest[i] & 15];
    }
    return hex;
}

}  // namespace weir::test

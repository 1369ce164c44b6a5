#include "proxy/http/head_parser.hpp"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include <algorithm>
#include <array>
#include <bit>
#include <boost/beast/http/verb.hpp>
#include <cstring>
#include <limits>

#include "proxy/http/field_names.hpp"
#include "proxy/http/fields.hpp"
#include "proxy/http/target.hpp"

namespace weir::http {

namespace {

// In all Connection lines of a head; nobody who means well names more than a few.
constexpr unsigned max_connection_options = 32;

bool is_space(char c) {
    return c == ' ' || c == '\t';
}

// The first control character but HTAB: no field value and no reason phrase has one (RFC 9110 section 5.5).
const char* find_control(const char* at, const char* end) {
#ifdef __SSE2__
    for (; end - at >= 16; at += 16) {
        const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
        const __m128i below_space = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
        const __m128i tab = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\t'));
        const __m128i del = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f));
        const int found = _mm_movemask_epi8(_mm_or_si128(_mm_andnot_si128(tab, below_space), del));
        if (found != 0) return at + std::countr_zero(static_cast<unsigned>(found));
    }
#endif
    return std::find_if(at, end, is_control);
}

// 1*DIGIT, at most 2^63-1.
bool parse_content_length(std::string_view value, std::uint64_t& length) {
    constexpr std::uint64_t most = std::numeric_limits<std::int64_t>::max();
    if (value.empty()) return false;
    std::uint64_t n = 0;
    for (const char c : value) {
        const unsigned digit = static_cast<unsigned char>(c) - unsigned{'0'};
        if (digit > 9 || n > (most - digit) / 10) return false;
        n = n * 10 + digit;
    }
    length = n;
    return true;
}

// Reads a head from its first byte to its last, and never back. Fields become positions, and those that decide about
// framing and persistence are looked at as they pass.
template <class Head>
class head_reader {
  protected:
    head_reader(std::string_view bytes, const head_limits& limits, Head& head)
        : at_(bytes.data()), end_(bytes.data() + bytes.size()), limits_(limits), head_(head) {
        head_.clear();
        head_.fields.set_base(at_);
    }

    bool starts_with(std::string_view text) const { return std::string_view(at_, left()).starts_with(text); }
    std::size_t left() const { return static_cast<std::size_t>(end_ - at_); }
    bool at_end_of_line() const { return starts_with("\r\n"); }
    // Past the CRLF. White space behind it would continue the line.
    head_error end_line() {
        at_ += 2;
        return at_ != end_ && is_space(*at_) ? head_error::folded_line : head_error::none;
    }

    // HTTP/1.0 or HTTP/1.1.
    bool read_version() {
        if (left() < 8 || std::memcmp(at_, "HTTP/1.", 7) != 0 || (at_[7] != '0' && at_[7] != '1')) return false;
        head_.version = at_[7] == '0' ? 10 : 11;
        at_ += 8;
        return true;
    }

    // Up to the empty line. `on_other_field` sees those of Host, Expect and Upgrade.
    template <class F>
    head_error read_fields(F on_other_field) {
        while (!at_end_of_line()) {
            field_view field;
            if (const head_error error = read_field(field); error != head_error::none) return error;
            head_.fields.add(field.id, field.name, field.value);
            if (const head_error error = look_at(field, on_other_field); error != head_error::none) return error;
        }
        at_ += 2;
        head_.size = static_cast<std::uint32_t>(at_ - head_.fields.base());
        return head_error::none;
    }

    bool persistent() const { return !close_ && (head_.version == 11 || keep_alive_); }

    const char* at_;
    const char* const end_;
    const head_limits& limits_;
    Head& head_;
    bool has_length_ = false;
    bool chunked_ = false;
    bool close_ = false;
    bool keep_alive_ = false;
    bool upgrade_named_ = false;
    bool others_named_ = false;
    unsigned connection_options_ = 0;

  private:
    // field-name ":" OWS field-value OWS CRLF (RFC 9112 section 5): no white space before the colon, no folding.
    head_error read_field(field_view& field) {
        const void* const colon = std::memchr(at_, ':', left());
        if (!colon) return head_error::bad_field_name;
        field.name = {at_, static_cast<std::size_t>(static_cast<const char*>(colon) - at_)};
        field.id = find_field_id(field.name);
        if (field.id == field_id::unknown && !valid_field_name(field.name)) return head_error::bad_field_name;
        if (head_.fields.size() >= limits_.max_fields) return head_error::too_many_fields;
        if (field.name.size() > std::numeric_limits<std::uint16_t>::max()) return head_error::too_large;
        at_ += field.name.size() + 1;
        while (at_ != end_ && is_space(*at_)) ++at_;
        const char* const first = at_;
        at_ = find_control(first, end_);
        if (!at_end_of_line()) return head_error::bad_field_value;
        const char* last = at_;
        while (last != first && is_space(last[-1])) --last;
        field.value = {first, static_cast<std::size_t>(last - first)};
        return end_line();
    }

    template <class F>
    head_error look_at(field_view field, F& on_other_field) {
        switch (field.id) {
            case field_id::content_length:
                return on_content_length(field.value);
            case field_id::transfer_encoding:
                return on_transfer_encoding(field.value);
            case field_id::connection:
                return on_connection(field.value);
            case field_id::proxy_connection:
                return each_token(field.value, [](std::string_view) {}) ? head_error::none : head_error::bad_connection;
            case field_id::host:
            case field_id::expect:
            case field_id::upgrade:
                return on_other_field(field);
            default:
                return head_error::none;
        }
    }

    head_error on_content_length(std::string_view value) {
        if (chunked_) return head_error::length_and_encoding;
        if (has_length_) return head_error::several_content_lengths;
        if (!parse_content_length(value, head_.content_length)) return head_error::bad_content_length;
        has_length_ = true;
        return head_error::none;
    }

    head_error on_transfer_encoding(std::string_view value) {
        if (has_length_) return head_error::length_and_encoding;
        // HTTP/1.0 knows no transfer codings: whoever sends one may frame the message in another way (RFC 9112
        // section 6.1).
        if (chunked_ || head_.version != 11 || !iequals(value, "chunked")) return head_error::bad_transfer_encoding;
        chunked_ = true;
        return head_error::none;
    }

    head_error on_connection(std::string_view value) {
        const bool well_formed = each_token(value, [this](std::string_view option) {
            ++connection_options_;
            if (iequals(option, "keep-alive")) {
                keep_alive_ = true;
            } else if (iequals(option, "close")) {
                close_ = true;
            } else if (iequals(option, "upgrade")) {
                upgrade_named_ = true;
            } else if (!iequals(option, "te") && !iequals(option, "http2-settings")) {
                others_named_ = true;
            }
        });
        // Each field that is forwarded is looked for among them, so their number times that of the fields is work.
        if (!well_formed || connection_options_ > max_connection_options) return head_error::bad_connection;
        return head_error::none;
    }
};

class request_reader final : private head_reader<request_head> {
  public:
    request_reader(std::string_view bytes, const head_limits& limits, request_head& head)
        : head_reader(bytes, limits, head) {}

    head_error read() {
        if (const head_error error = read_request_line(); error != head_error::none) return error;
        const auto on_field = [this](field_view field) { return on_request_field(field); };
        if (const head_error error = read_fields(on_field); error != head_error::none) return error;
        // RFC 9112 section 3.2: a Host is due in HTTP/1.1 even where the target has an authority.
        if (!has_host_ && head_.version == 11) return head_error::bad_host;
        if (!authority_.empty()) head_.host = authority_;
        head_.keep_alive = persistent();
        head_.removes_fields = others_named_;
        if (chunked_) head_.body = body_kind::chunked;
        if (has_length_) head_.body = body_kind::length;
        const bool has_content = chunked_ || head_.content_length > 0;
        head_.expects_continue = expects_continue_ && has_content;
        head_.upgrade_websocket =
            websocket_ && upgrade_named_ && head_.method == verb::get && head_.version == 11 && !has_content;
        return head_error::none;
    }

  private:
    // method SP request-target SP HTTP-version CRLF (RFC 9112 section 3), with single spaces.
    head_error read_request_line() {
        const char* const line = at_;
        while (at_ != end_ && is_token_character(*at_)) ++at_;
        head_.method_text = {line, static_cast<std::size_t>(at_ - line)};
        if (head_.method_text.empty() || at_ == end_ || *at_ != ' ') return head_error::bad_method;
        const char* const target = ++at_;
        while (at_ != end_ && *at_ != ' ' && !is_control(*at_)) ++at_;
        head_.target = {target, static_cast<std::size_t>(at_ - target)};
        if (head_.target.empty() || at_ == end_ || *at_ != ' ') return head_error::bad_target;
        const char* const version = ++at_;
        if (!read_version() || !at_end_of_line()) {
            return is_later_version(version) ? head_error::unsupported_version : head_error::bad_version;
        }
        const head_error error = check_target();
        return error == head_error::none ? end_line() : error;
    }

    // The line ends in a version that is well formed and past HTTP/1.1.
    bool is_later_version(const char* start) const {
        const std::string_view rest(start, static_cast<std::size_t>(end_ - start));
        const std::string_view version = rest.substr(0, rest.find("\r\n"));
        const auto digit = [](char c) { return c >= '0' && c <= '9'; };
        if (!version.starts_with("HTTP/") || version.size() < 6 || !digit(version[5])) return false;
        if (version.size() == 6) return version[5] >= '2';
        if (version.size() != 8 || version[6] != '.' || !digit(version[7])) return false;
        return version[5] >= '2' || (version[5] == '1' && version[7] >= '2');
    }

    head_error check_target() {
        const std::string_view method = head_.method_text;
        head_.method = boost::beast::http::string_to_verb({method.data(), method.size()});
        if (head_.method == verb::connect) return head_error::connect_refused;
        const bool valid = head_.target.front() == '/' ? valid_origin_form(head_.target)
                           : head_.target == "*"       ? head_.method == verb::options
                                                       : split_absolute_form();
        return valid ? head_error::none : head_error::bad_target;
    }

    // http://authority/path: what follows the authority is forwarded (RFC 9112 section 3.2.2), with the '/' of an empty
    // path.
    bool split_absolute_form() {
        const std::string_view target = head_.target;
        const std::size_t scheme = iequals(target.substr(0, 7), "http://")    ? 7
                                   : iequals(target.substr(0, 8), "https://") ? 8
                                                                              : 0;
        if (scheme == 0) return false;
        const std::size_t path = std::min(target.find_first_of("/?", scheme), target.size());
        authority_ = target.substr(scheme, path - scheme);
        if (!valid_host(authority_)) return false;
        if (path == target.size()) {
            head_.target = head_.method == verb::options ? "*" : "/";
            return true;
        }
        head_.target = target.substr(path);
        if (head_.target.front() == '?') {
            head_.own_target.assign("/").append(head_.target);
            head_.target = head_.own_target;
        }
        return valid_origin_form(head_.target);
    }

    head_error on_request_field(field_view field) {
        if (field.id == field_id::host) {
            if (has_host_ || !valid_host(field.value)) return head_error::bad_host;
            has_host_ = true;
            head_.host = field.value;
        } else if (field.id == field_id::expect) {
            if (head_.version == 10) return head_error::none;  // RFC 9110 section 10.1.1
            if (!iequals(field.value, "100-continue")) return head_error::bad_expect;
            expects_continue_ = true;
        } else {
            websocket_ |=
                any_element(field.value, [](std::string_view protocol) { return iequals(protocol, "websocket"); });
        }
        return head_error::none;
    }

    std::string_view authority_;
    bool has_host_ = false;
    bool expects_continue_ = false;
    bool websocket_ = false;
};

class response_reader final : private head_reader<response_head> {
  public:
    response_reader(std::string_view bytes, const head_limits& limits, response_head& head)
        : head_reader(bytes, limits, head) {}

    head_error read(verb request_method) {
        if (const head_error error = read_status_line(); error != head_error::none) return error;
        const auto on_field = [](field_view) { return head_error::none; };
        if (const head_error error = read_fields(on_field); error != head_error::none) return error;
        const unsigned status = head_.status;
        if (chunked_ && status < 200) return head_error::bad_transfer_encoding;
        head_.has_content_length = has_length_;
        if (status < 200 || status == 204 || status == 304 || request_method == verb::head) {
            head_.body = body_kind::none;
        } else if (chunked_) {
            head_.body = body_kind::chunked;
        } else {
            head_.body = has_length_ ? body_kind::length : body_kind::until_close;
        }
        // Servers send what may not be there, the content that an application gives to HEAD or a last chunk behind 204
        // and 304, when they get to it: after the next request it would be taken for its answer. So such a connection
        // is not used again, though the response ends with its head (RFC 9112 section 6.3).
        const bool may_go_on = request_method == verb::head || (chunked_ && head_.body == body_kind::none);
        head_.keep_alive = persistent() && head_.body != body_kind::until_close && !may_go_on;
        return head_error::none;
    }

  private:
    // HTTP-version SP status-code SP [ reason-phrase ] CRLF (RFC 9112 section 4). Servers forget the second space where
    // there is no reason.
    head_error read_status_line() {
        if (!read_version() || !starts_with(" ")) return head_error::bad_version;
        ++at_;
        for (int digits = 0; digits < 3; ++digits, ++at_) {
            if (at_ == end_ || *at_ < '0' || *at_ > '9') return head_error::bad_status;
            head_.status = static_cast<std::uint16_t>(head_.status * 10 + (*at_ - '0'));
        }
        if (head_.status < 100 || head_.status > 599) return head_error::bad_status;
        if (!at_end_of_line()) {
            if (!starts_with(" ")) return head_error::bad_status;
            const char* const reason = ++at_;
            at_ = find_control(reason, end_);
            if (!at_end_of_line()) return head_error::bad_reason;
            head_.reason = {reason, static_cast<std::size_t>(at_ - reason)};
        }
        return end_line();
    }
};

}  // namespace

std::string_view text(head_error error) {
    switch (error) {
        case head_error::none:
            return "none";
        case head_error::bare_lf:
            return "bare-lf";
        case head_error::folded_line:
            return "folded-line";
        case head_error::too_large:
            return "too-large";
        case head_error::too_many_fields:
            return "too-many-fields";
        case head_error::bad_method:
            return "bad-method";
        case head_error::bad_target:
            return "bad-target";
        case head_error::target_too_long:
            return "target-too-long";
        case head_error::bad_version:
            return "bad-version";
        case head_error::unsupported_version:
            return "unsupported-version";
        case head_error::bad_status:
            return "bad-status";
        case head_error::bad_reason:
            return "bad-reason";
        case head_error::bad_field_name:
            return "bad-field-name";
        case head_error::bad_field_value:
            return "bad-field-value";
        case head_error::bad_host:
            return "bad-host";
        case head_error::bad_content_length:
            return "bad-content-length";
        case head_error::several_content_lengths:
            return "several-content-lengths";
        case head_error::bad_transfer_encoding:
            return "bad-transfer-encoding";
        case head_error::length_and_encoding:
            return "length-and-encoding";
        case head_error::connect_refused:
            return "connect-refused";
        case head_error::bad_connection:
            return "bad-connection";
        case head_error::bad_expect:
            return "bad-expect";
    }
    return "none";
}

head_end find_end_of_head(std::string_view bytes, std::uint32_t from, std::uint32_t max_bytes) {
    using state = enum head_end::state;
    const auto refused = [](head_error error) { return head_end{state::refused, 0, error}; };
    const std::string_view window = bytes.substr(0, max_bytes);
    std::size_t start = from;
    while (start < window.size()) {
        const void* found = std::memchr(window.data() + start, '\n', window.size() - start);
        if (!found) {
            start = window.size();
            break;
        }
        const std::size_t lf = static_cast<std::size_t>(static_cast<const char*>(found) - window.data());
        if (lf == 0 || window[lf - 1] != '\r') return refused(head_error::bare_lf);
        if (lf == 1)
            return {state::complete, 2, head_error::none};  // an empty line; the parser says what is wrong with it
        // The start of the next line decides; when it is not there yet this LF is looked at again.
        start = lf;
        if (lf + 1 == window.size()) break;
        const char next = window[lf + 1];
        if (next == ' ' || next == '\t') return refused(head_error::folded_line);
        if (next == '\r') {
            if (lf + 2 == window.size()) break;
            if (window[lf + 2] == '\n') {
                return {state::complete, static_cast<std::uint32_t>(lf + 3), head_error::none};
            }
        }
        start = lf + 1;
    }
    if (bytes.size() < max_bytes) return {state::incomplete, static_cast<std::uint32_t>(start), head_error::none};
    const bool any_line = window.find('\n') != std::string_view::npos;
    return refused(any_line ? head_error::too_large : head_error::target_too_long);
}

head_error parse_request_head(std::string_view bytes, const head_limits& limits, request_head& head) {
    if (bytes.size() > limits.max_bytes) return head_error::too_large;
    return request_reader(bytes, limits, head).read();
}

head_end read_request_head(std::string_view bytes, std::uint32_t from, const head_limits& limits, request_head& head) {
    using state = enum head_end::state;
    // Most come in one piece with nothing behind them, and are read without a look for their end before. What is wrong
    // is not what the first such look would say, so it is taken all the same then.
    if (from == 0 && bytes.size() <= limits.max_bytes && bytes.ends_with("\r\n\r\n") &&
        parse_request_head(bytes, limits, head) == head_error::none) {
        return {state::complete, head.size, head_error::none};
    }
    const head_end found = find_end_of_head(bytes, from, limits.max_bytes);
    if (found.state != state::complete) return found;
    const head_error error = parse_request_head(bytes.substr(0, found.size), limits, head);
    return error == head_error::none ? found : head_end{state::refused, 0, error};
}

head_error parse_response_head(std::string_view bytes, const head_limits& limits, verb request_method,
                               response_head& head) {
    if (bytes.size() > limits.max_bytes) return head_error::too_large;
    return response_reader(bytes, limits, head).read(request_method);
}

}  // namespace weir::http

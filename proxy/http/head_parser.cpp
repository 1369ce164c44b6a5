#include "proxy/http/head_parser.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <cstring>
#include <limits>

#include "proxy/http/fields.hpp"
#include "proxy/http/target.hpp"

namespace weir::http {

namespace {

// In all Connection lines of a head; nobody who means well names more than a few.
constexpr unsigned max_connection_options = 32;

namespace beast = boost::beast;
using beast::error_code;

std::string_view plain(beast::string_view s) {
    return {s.data(), s.size()};
}

// 1*DIGIT, at most 2^63-1: Beast's own reading admits lists and the whole of 64 bits.
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

// What requests and responses have in common: fields become positions, and those that decide about framing and
// persistence are looked at as they pass. Beast's do_field has seen a field before on_field_impl; where the two differ
// the stricter one wins.
template <bool IsRequest, class Head>
class strict_parser : private beast::http::basic_parser<IsRequest> {
    using base = beast::http::basic_parser<IsRequest>;

  protected:
    strict_parser(std::string_view bytes, const head_limits& limits, Head& head)
        : bytes_(bytes), limits_(limits), head_(head) {
        head_.clear();
        head_.fields.set_base(bytes.data());
        head_.size = static_cast<std::uint32_t>(bytes.size());
        this->header_limit(head_.size);
        this->body_limit(boost::none);
    }

    // The rest of the head, from `offset` on.
    head_error read(std::size_t offset) {
        error_code failure;
        const std::size_t consumed =
            this->put(boost::asio::const_buffer(bytes_.data() + offset, bytes_.size() - offset), failure);
        if (error_ != head_error::none) return error_;
        if (failure) return translate(failure, offset + consumed);
        return head_error::none;
    }

    // A start line that replaces the one in `bytes`.
    void read_start_line(std::string_view line) {
        error_code failure;
        this->put(boost::asio::const_buffer(line.data(), line.size()), failure);
    }

    void refuse(head_error error, error_code& ec) {
        error_ = error;
        ec = beast::http::error::bad_value;
    }

    void set_version(int version) {
        started_ = true;
        head_.version = static_cast<std::uint8_t>(version);
    }

    bool persistent() const { return !close_ && (head_.version == 11 || keep_alive_); }

    // Fields that mean something only in requests; the others are done.
    virtual void on_other_field(field_id, std::string_view, error_code&) {}

    std::string_view bytes_;
    const head_limits& limits_;
    Head& head_;
    head_error error_ = head_error::none;
    bool started_ = false;  // the start line was read
    bool has_length_ = false;
    bool chunked_ = false;
    bool close_ = false;
    bool keep_alive_ = false;
    bool upgrade_named_ = false;
    unsigned connection_options_ = 0;

  private:
    void on_field_impl(beast::http::field id, beast::string_view name, beast::string_view value, error_code& ec) final {
        if (head_.fields.size() >= limits_.max_fields) return refuse(head_error::too_many_fields, ec);
        if (name.size() > std::numeric_limits<std::uint16_t>::max()) return refuse(head_error::too_large, ec);
        // A value that lies elsewhere than right after its colon was joined from several lines.
        const std::uintptr_t gap = reinterpret_cast<std::uintptr_t>(value.data()) -
                                   reinterpret_cast<std::uintptr_t>(name.data() + name.size());
        if (gap > 2 && (gap > bytes_.size() || std::memchr(name.data() + name.size(), '\n', gap))) {
            return refuse(head_error::folded_line, ec);
        }
        head_.fields.add(id, plain(name), plain(value));
        switch (id) {
            case field_id::content_length:
                return on_content_length(plain(value), ec);
            case field_id::transfer_encoding:
                return on_transfer_encoding(plain(value), ec);
            case field_id::connection:
                return on_connection(plain(value), ec);
            case field_id::host:
            case field_id::expect:
            case field_id::upgrade:
                if constexpr (IsRequest) on_other_field(id, plain(value), ec);
                return;
            default:
                return;
        }
    }

    void on_content_length(std::string_view value, error_code& ec) {
        if (has_length_) return refuse(head_error::several_content_lengths, ec);
        if (chunked_) return refuse(head_error::length_and_encoding, ec);
        if (!parse_content_length(value, head_.content_length)) return refuse(head_error::bad_content_length, ec);
        has_length_ = true;
    }

    void on_transfer_encoding(std::string_view value, error_code& ec) {
        if (has_length_) return refuse(head_error::length_and_encoding, ec);
        // HTTP/1.0 knows no transfer codings: whoever sends one may frame the message in another way (RFC 9112
        // section 6.1).
        if (chunked_ || head_.version != 11 || !iequals(value, "chunked")) {
            return refuse(head_error::bad_transfer_encoding, ec);
        }
        chunked_ = true;
    }

    void on_connection(std::string_view value, error_code& ec) {
        any_element(value, [this](std::string_view option) {
            ++connection_options_;
            if (iequals(option, "close")) close_ = true;
            if (iequals(option, "keep-alive")) keep_alive_ = true;
            if (iequals(option, "upgrade")) upgrade_named_ = true;
            return false;
        });
        // Each field that is forwarded is looked for among them, so their number times that of the fields is work.
        if (connection_options_ > max_connection_options) refuse(head_error::bad_connection, ec);
    }

    // Beast's word for what it refused itself, with `consumed` at the start of the line in question.
    head_error translate(error_code failure, std::size_t consumed) const {
        using beast::http::error;
        if (!started_) return translate_start_line(failure);
        if (failure == error::bad_content_length) {
            return chunked_ ? head_error::length_and_encoding : head_error::bad_content_length;
        }
        if (failure == error::multiple_content_length) return head_error::several_content_lengths;
        if (failure == error::bad_transfer_encoding) {
            return has_length_ ? head_error::length_and_encoding : head_error::bad_transfer_encoding;
        }
        if (failure == error::bad_field) return head_error::bad_field_name;
        if (failure == error::header_limit)
            return head_error::folded_line;  // only its buffer for folded lines is too small
        if (failure != error::bad_value) return head_error::bad_field_value;
        // A list of Connection that is none, or a control character in any field.
        const std::string_view line = bytes_.substr(consumed, bytes_.find("\r\n", consumed) - consumed);
        const std::string_view name = line.substr(0, line.find(':'));
        const bool connection = iequals(name, "Connection") || iequals(name, "Proxy-Connection");
        return connection && valid_field_value(line) ? head_error::bad_connection : head_error::bad_field_value;
    }

    head_error translate_start_line(error_code failure) const {
        using beast::http::error;
        if (failure == error::bad_method) return head_error::bad_method;
        if (failure == error::bad_target) return head_error::bad_target;
        if (failure == error::bad_status) return head_error::bad_status;
        if (failure == error::bad_reason || failure == error::bad_line_ending) return head_error::bad_reason;
        return IsRequest && later_version() ? head_error::unsupported_version : head_error::bad_version;
    }

    // The request line ends in a version that is well formed and past HTTP/1.1.
    bool later_version() const {
        const std::string_view line = bytes_.substr(0, bytes_.find("\r\n"));
        const std::size_t space = line.rfind(' ');
        if (space == std::string_view::npos) return false;
        const std::string_view version = line.substr(space + 1);
        const auto digit = [](char c) { return c >= '0' && c <= '9'; };
        if (!version.starts_with("HTTP/") || version.size() < 6 || !digit(version[5])) return false;
        if (version.size() == 6) return version[5] >= '2';
        if (version.size() != 8 || version[6] != '.' || !digit(version[7])) return false;
        return version[5] >= '2' || (version[5] == '1' && version[7] >= '2');
    }

    // The rest of a message is not this parser's concern: it is given heads only.
    void on_header_impl(error_code&) final {}
    void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) final {}
    std::size_t on_body_impl(beast::string_view, error_code&) final { return 0; }
    void on_chunk_header_impl(std::uint64_t, beast::string_view, error_code&) final {}
    std::size_t on_chunk_body_impl(std::uint64_t, beast::string_view, error_code&) final { return 0; }
    void on_finish_impl(error_code&) final {}
};

class request_parser final : private strict_parser<true, request_head> {
  public:
    request_parser(std::string_view bytes, const head_limits& limits, request_head& head)
        : strict_parser(bytes, limits, head) {}

    head_error parse() {
        if (const head_error error = read(0); error != head_error::none) return error;
        // RFC 9112 section 3.2: a Host is due in HTTP/1.1 even where the target has an authority.
        if (!has_host_ && head_.version == 11) return head_error::bad_host;
        if (!authority_.empty()) head_.host = authority_;
        head_.keep_alive = persistent();
        if (chunked_) head_.body = body_kind::chunked;
        if (has_length_) head_.body = body_kind::length;
        const bool has_content = chunked_ || head_.content_length > 0;
        head_.expects_continue = expects_continue_ && has_content;
        head_.upgrade_websocket =
            websocket_ && upgrade_named_ && head_.method == verb::get && head_.version == 11 && !has_content;
        return head_error::none;
    }

  private:
    void on_request_impl(verb method, beast::string_view method_text, beast::string_view target, int version,
                         error_code& ec) override {
        set_version(version);
        head_.method = method;
        head_.method_text = plain(method_text);
        head_.target = plain(target);
        if (method == verb::connect) return refuse(head_error::connect_refused, ec);
        if (head_.target.front() == '/') {
            if (!valid_origin_form(head_.target)) refuse(head_error::bad_target, ec);
        } else if (head_.target == "*") {
            if (method != verb::options) refuse(head_error::bad_target, ec);
        } else if (!split_absolute_form()) {
            refuse(head_error::bad_target, ec);
        }
    }
    void on_response_impl(int, beast::string_view, int, error_code&) override {}

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

    void on_other_field(field_id id, std::string_view value, error_code& ec) override {
        if (id == field_id::host) {
            if (has_host_ || !valid_host(value)) return refuse(head_error::bad_host, ec);
            has_host_ = true;
            head_.host = value;
        } else if (id == field_id::expect) {
            if (head_.version == 10) return;  // RFC 9110 section 10.1.1
            if (!iequals(value, "100-continue")) return refuse(head_error::bad_expect, ec);
            expects_continue_ = true;
        } else {
            websocket_ |= any_element(value, [](std::string_view protocol) { return iequals(protocol, "websocket"); });
        }
    }

    std::string_view authority_;
    bool has_host_ = false;
    bool expects_continue_ = false;
    bool websocket_ = false;
};

class response_parser final : private strict_parser<false, response_head> {
  public:
    response_parser(std::string_view bytes, const head_limits& limits, response_head& head)
        : strict_parser(bytes, limits, head) {}

    head_error parse(verb request_method) {
        if (const head_error error = read_message(); error != head_error::none) return error;
        const unsigned status = head_.status;
        if (chunked_ && (status < 200 || status == 204)) return head_error::bad_transfer_encoding;
        head_.has_content_length = has_length_;
        if (status < 200 || status == 204 || status == 304 || request_method == verb::head) {
            head_.body = body_kind::none;
        } else if (chunked_) {
            head_.body = body_kind::chunked;
        } else {
            head_.body = has_length_ ? body_kind::length : body_kind::until_close;
        }
        head_.keep_alive = persistent() && head_.body != body_kind::until_close;
        return head_error::none;
    }

  private:
    head_error read_message() {
        // "HTTP/1.1 200" CRLF lacks a space that RFC 9112 section 4 demands and that servers forget: Beast is shown a
        // line that has it.
        constexpr std::size_t line = sizeof("HTTP/1.1 200") - 1;
        if (bytes_.size() < line + 4 || bytes_.substr(line, 2) != "\r\n") return read(0);
        char repaired[line + 3];
        std::memcpy(repaired, bytes_.data(), line);
        std::memcpy(repaired + line, " \r\n", 3);
        read_start_line({repaired, sizeof repaired});
        if (error_ != head_error::none) return error_;
        if (!started_) return head_error::bad_status;
        head_.reason = {};
        return read(line + 2);
    }

    void on_request_impl(verb, beast::string_view, beast::string_view, int, error_code&) override {}
    void on_response_impl(int status, beast::string_view reason, int version, error_code& ec) override {
        set_version(version);
        if (status < 100 || status > 599) return refuse(head_error::bad_status, ec);
        head_.status = static_cast<std::uint16_t>(status);
        head_.reason = plain(reason);
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
    return request_parser(bytes, limits, head).parse();
}

head_error parse_response_head(std::string_view bytes, const head_limits& limits, verb request_method,
                               response_head& head) {
    if (bytes.size() > limits.max_bytes) return head_error::too_large;
    return response_parser(bytes, limits, head).parse(request_method);
}

}  // namespace weir::http

#include "test/differential/origin.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <optional>

namespace weir::differential {
namespace {

std::optional<std::string> field_of(const message& asked, std::string_view name) {
    if (!asked.has(name)) return std::nullopt;
    return asked.value(name);
}

asker asker_of(const message& asked) {
    asker by;
    by.nonce = asked.value("x-nonce");
    by.language = field_of(asked, "accept-language");
    by.variant = field_of(asked, "x-variant");
    by.coding = field_of(asked, "accept-encoding");
    const std::string cookies = asked.value("cookie");
    if (const auto at = cookies.find("session_id="); at != cookies.npos)
        by.user = cookies.substr(at + 11, cookies.find(';', at) - at - 11);
    by.authorized = asked.has("authorization");
    by.editor = asked.has("x-editor");
    return by;
}

void add(std::string& to, std::string_view name, std::string_view value) {
    to.append(name).append(": ").append(value).append("\r\n");
}

std::int64_t unix_now() {
    return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
        .count();
}

// What says how long an answer may be used, and for which requests.
void add_policy(const page& of, const rendition& given, const asker& by, std::string& to) {
    const std::string age = "max-age=" + std::to_string(of.lifetime) + (of.open ? ", public" : "");
    switch (of.what) {
        case kind::expires:
            add(to, "Expires", http_date(unix_now() + of.lifetime));
            if (of.open) add(to, "Cache-Control", "public");
            break;
        case kind::smaxage:
            add(to, "Cache-Control",
                "max-age=600, s-maxage=" + std::to_string(of.lifetime) + (of.open ? ", public" : ""));
            break;
        case kind::must:
            add(to, "Cache-Control", age + ", must-revalidate");
            break;
        case kind::targeted:
            add(to, "CDN-Cache-Control", age);
            add(to, "Cache-Control", "no-store");
            break;
        case kind::untargeted:
            add(to, "CDN-Cache-Control", "no-store");
            add(to, "Cache-Control", "public, max-age=600");
            break;
        case kind::priv:
            add(to, "Cache-Control", "private, max-age=600");
            break;
        case kind::auth:
            add(to, "Cache-Control", by.authorized ? "max-age=600" : "no-store");
            break;
        case kind::nostore:
            add(to, "Cache-Control", "no-store");
            break;
        case kind::nocache:
            add(to, "Cache-Control", of.open ? "no-cache, public" : "no-cache");
            break;
        case kind::setcookie:
            add(to, "Cache-Control", age);
            add(to, "Set-Cookie", "id=" + by.nonce + "; Path=/");
            break;
        case kind::qualified:
            add(to, "Cache-Control", age + ", private=\"x-user\"");
            add(to, "X-User", by.nonce);
            break;
        case kind::swr:
            add(to, "Cache-Control", age + ", stale-while-revalidate=" + std::to_string(of.stale));
            break;
        case kind::sie:
            add(to, "Cache-Control", age + ", stale-if-error=" + std::to_string(of.stale));
            break;
        default:
            add(to, "Cache-Control", age);
    }
    if (of.what == kind::lang || of.what == kind::both) add(to, "Vary", "Accept-Language");
    if (of.what == kind::xvar || of.what == kind::both || (of.what == kind::shift && given.version % 2 == 1))
        add(to, "Vary", "X-Variant");
    if (of.what == kind::coding) add(to, "Vary", "Accept-Encoding");
    if (of.what == kind::star) add(to, "Vary", "*");
    if (of.varies_by_cookie) add(to, "Vary", "Cookie");
}

void add_fields(const rendition& given, const asker& by, std::string& to) {
    add(to, "X-Model", given.line());
    if (given.of.has_date) add(to, "Date", http_date(unix_now()));
    add_policy(given.of, given, by, to);
    add(to, "Cache-Tag", given.of.tag + " every");
    add(to, "Cache-Groups", '"' + given.of.group + '"');
    if (const auto etag = given.etag(); !etag.empty()) add(to, "ETag", etag);
    if (const auto date = given.last_modified(); !date.empty()) add(to, "Last-Modified", date);
    if (given.of.what == kind::coding && given.chosen != "identity") add(to, "Content-Encoding", given.chosen);
    if (given.status == 301) add(to, "Location", "/elsewhere");
    if (given.status == 401) add(to, "WWW-Authenticate", "Basic realm=\"pages\"");
    if (given.of.takes_ranges) add(to, "Accept-Ranges", "bytes");
}

std::string opaque(std::string_view tag) {
    return std::string(tag.starts_with("W/") ? tag.substr(2) : tag);
}

bool not_modified(const message& asked, const rendition& given) {
    if (given.status != 200) return false;
    const std::string tag = given.etag();
    const std::string date = given.last_modified();
    if (asked.has("if-none-match")) {
        const std::string list = asked.value("if-none-match");
        if (tag.empty()) return false;
        return list == "*" || list.find(opaque(tag)) != list.npos;
    }
    // A client's or weir's date is one of ours, and the year has four digits: those of one day compare as text.
    return !date.empty() && asked.has("if-modified-since") && asked.value("if-modified-since") >= date;
}

struct span_of_bytes {
    std::size_t first;
    std::size_t last;
};

// The one range asked for; nothing where the whole is to be sent. An empty span (last < first) cannot be satisfied.
std::optional<span_of_bytes> range_of(const message& asked, const rendition& given) {
    const std::string text = asked.value("range");
    if (!given.of.takes_ranges || given.status != 200 || !text.starts_with("bytes=") || text.find(',') != text.npos)
        return std::nullopt;
    if (asked.has("if-range")) {
        const std::string condition = asked.value("if-range");
        const bool same_tag = condition == given.etag() && condition.starts_with('"');
        if (!same_tag && (condition != given.last_modified() || condition.empty())) return std::nullopt;
    }
    const auto dash = text.find('-');
    std::size_t first = 0;
    std::size_t last = SIZE_MAX;
    const bool has_first = std::from_chars(text.data() + 6, text.data() + dash, first).ec == std::errc();
    const bool has_last = std::from_chars(text.data() + dash + 1, text.data() + text.size(), last).ec == std::errc();
    const std::size_t size = given.size();
    if (!has_first && !has_last) return std::nullopt;
    if (!has_first) {
        first = size - std::min(size, last);
        last = size - 1;
        if (size == 0) return span_of_bytes{1, 0};
    }
    if (first >= size) return span_of_bytes{1, 0};
    return span_of_bytes{first, std::min(last, size - 1)};
}

bool send_in_pieces(wire& to, std::string_view head, std::string_view content) {
    const std::size_t piece = content.size() / 5 + 1;
    if (!to.send(head)) return false;
    for (std::size_t at = 0; at < content.size(); at += piece) {
        std::this_thread::sleep_for(std::chrono::milliseconds(15));
        if (!to.send(content.substr(at, piece))) return false;
    }
    return true;
}

std::string chunked(const std::string& content) {
    std::string framed;
    char size[32];
    for (std::size_t at = 0; at < content.size();) {
        const std::size_t count = std::min(content.size() - at, 1 + (content.size() * 7 + at) % 50'000);
        const auto end = std::to_chars(size, size + sizeof size, count, 16).ptr;
        framed.append(size, end).append("\r\n").append(content, at, count).append("\r\n");
        at += count;
    }
    return framed + "0\r\n\r\n";
}

// Head and content, in the page's way of framing, or only a part of them where the answer is to be cut.
bool send_answer(wire& to, std::string head, const rendition& given, std::string content, bool has_content, bool cuts) {
    if (!given.of.chunked) {
        add(head, "Content-Length", std::to_string(content.size()));
    } else if (has_content) {
        add(head, "Transfer-Encoding", "chunked");
        content = chunked(content);
    }
    head += "\r\n";
    if (!has_content) return to.send(head);
    if (cuts) {
        content.resize(mix(given.line()) % (content.size() - 5));
        // At once, when all may be asked for again, or after the client has the first of it.
        if (content.size() % 2 == 0) {
            to.send(head + content);
        } else {
            send_in_pieces(to, head, content);
        }
        return false;
    }
    if (given.of.what == kind::slow) return send_in_pieces(to, head, content);
    return to.send(head + content);
}

}  // namespace

origin::origin(site& has) : site_(has) {
    std::tie(listener_, port_) = listen_anywhere();
    acceptor_ = std::thread([this] { accept_all(); });
}

origin::~origin() {
    stopping_ = true;
    ::shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    ::close(listener_);
    std::unique_lock hold(lock_);
    connection_ended_.wait(hold, [this] { return connections_ == 0; });
}

void origin::accept_all() {
    while (!stopping_) {
        const int descriptor = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
        if (descriptor < 0) continue;
        const int on = 1;
        ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        {
            const std::lock_guard hold(lock_);
            ++connections_;
        }
        std::thread([this, descriptor] {
            serve(descriptor);
            const std::lock_guard hold(lock_);
            --connections_;
            connection_ended_.notify_one();
        }).detach();
    }
}

void origin::serve(int descriptor) {
    wire stream(descriptor);
    message asked;
    for (;;) {
        const auto got = stream.read_request(asked);
        if (got == read_end::garbled) note("a request that is none", asked);
        if (got != read_end::whole) return;
        ++requests_;
        if (!answer(stream, asked)) return;
    }
}

std::vector<std::string> origin::faults() {
    const std::lock_guard hold(lock_);
    return faults_;
}

void origin::note(const std::string& what, const message& asked) {
    const std::lock_guard hold(lock_);
    if (faults_.size() < 10) faults_.push_back("at the origin: " + what + "\n" + asked.head);
}

void origin::check(const message& asked, const std::string& target) {
    if (target.find("utm_") != target.npos) note("a query parameter that the key ignores", asked);
    if (asked.value("cache-control").find("only-if-cached") != std::string::npos)
        note("a request with only-if-cached", asked);
    const bool reads = asked.head.starts_with("GET ") || asked.head.starts_with("HEAD ");
    for (const auto& [name, value] : asked.fields) {
        // Methods of unsafe requests may be overridden: nothing of those is stored.
        const bool harmless = !reads && name.find("ethod") != name.npos;
        if (value == "/poison" && !harmless) note("a field that is no part of the key, " + name, asked);
    }
}

bool origin::answer(wire& to, const message& asked) {
    const auto space = asked.start_line.find(' ');
    const std::string method = asked.start_line.substr(0, space);
    const std::string target = asked.start_line.substr(space + 1, asked.start_line.rfind(' ') - space - 1);
    check(asked, target);
    std::string host = asked.value("host");
    for (char& c : host) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    const page* of = site_.find(host, target);
    if (of == nullptr) {
        note("a target that nobody asked for", asked);
        return to.send("HTTP/1.1 404 Not Found\r\nCache-Control: no-store\r\nContent-Length: 0\r\n\r\n");
    }
    const asker by = asker_of(asked);
    if (site_.fails(*of)) {
        if (mix(mix(by.nonce)) % 3 == 0) return false;
        const rendition failure{*of, site_.version(*of), 500, "all", by.nonce};
        std::string head = "HTTP/1.1 500 Internal Server Error\r\n";
        add(head, "X-Model", failure.line());
        return send_answer(to, head, failure, failure.content(), method != "HEAD", false);
    }
    if (method == "GET" || method == "HEAD") return answer_safe(to, asked, *of, by, method);
    if (method != "OPTIONS") return answer_unsafe(to, *of, by);
    const rendition given{*of, site_.version(*of), 200, "all", by.nonce};
    std::string head = "HTTP/1.1 200 OK\r\nAllow: GET\r\n";
    add(head, "X-Model", given.line());
    return send_answer(to, head, given, given.content(), true, false);
}

bool origin::answer_safe(wire& to, const message& asked, const page& of, const asker& by, const std::string& method) {
    const unsigned version = site_.version(of);
    const bool shared = audience_of(of, by) == audience::anyone;
    // Long enough for others to be answered with what is stale.
    if (of.what == kind::swr) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    const rendition given{of, version, status_of(of, version, by), choice(of, version, by), shared ? "-" : by.nonce};
    std::string fields;
    add_fields(given, by, fields);
    if (not_modified(asked, given)) return to.send("HTTP/1.1 304 Not Modified\r\n" + fields + "\r\n");
    std::string content = given.content();
    if (const auto part = method == "GET" ? range_of(asked, given) : std::nullopt) {
        if (part->last < part->first) {
            add(fields, "Content-Range", "bytes */" + std::to_string(content.size()));
            return to.send("HTTP/1.1 416 Range Not Satisfiable\r\n" + fields + "Content-Length: 0\r\n\r\n");
        }
        add(fields, "Content-Range",
            "bytes " + std::to_string(part->first) + '-' + std::to_string(part->last) + '/' +
                std::to_string(content.size()));
        return send_answer(to, "HTTP/1.1 206 Partial Content\r\n" + fields, given,
                           content.substr(part->first, part->last - part->first + 1), true, false);
    }
    return send_answer(to, "HTTP/1.1 " + std::to_string(given.status) + " As Asked\r\n" + fields, given,
                       std::move(content), method == "GET", is_cut(of, by));
}

// X-Changed lists every page that is another one from now on, with its version.
bool origin::answer_unsafe(wire& to, const page& of, const asker& by) {
    const std::uint64_t some = mix(mix(by.nonce));
    std::string fields;
    std::string changed;
    const auto change = [&](const page& one) {
        changed += ' ' + std::to_string(one.number) + ':' + std::to_string(site_.change(one));
    };
    unsigned status = some % 8 == 0 ? 409 : 200;
    if (status == 200) {
        change(of);
        const page& other = site_.pages()[(of.number + 3) % site_.pages().size()];  // of the same host
        const std::string url = some % 2 == 0 ? "http://" + other.host + other.target : other.target;
        if (some % 8 == 1 || some % 8 == 2) {
            change(other);
            add(fields, some % 8 == 1 ? "Content-Location" : "Location", url);
            status = some % 8 == 1 ? 200 : 303;
        } else if (some % 8 == 3) {
            for (const page& one : site_.pages()) {
                if (one.host == of.host && one.group == of.group) change(one);
            }
            add(fields, "Cache-Group-Invalidation", '"' + of.group + '"');
        }
    }
    const rendition given{of, site_.version(of), status, "all", by.nonce};
    add(fields, "X-Model", given.line());
    add(fields, "X-Changed", changed);
    return send_answer(to, "HTTP/1.1 " + std::to_string(status) + " As Asked\r\n" + fields, given, given.content(),
                       true, false);
}

}  // namespace weir::differential

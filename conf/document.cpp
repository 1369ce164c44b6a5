#include "conf/document.hpp"

#include "conf/environment.hpp"
#include "conf/words.hpp"

#include <sys/stat.h>
#include <yaml-cpp/depthguard.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>
#include <unordered_map>
#include <utility>

namespace weir::conf {
namespace {

constexpr std::size_t most_bytes = std::size_t{4} << 20;

// Ends the parsing of a document that is beyond repair, through yaml-cpp's frames.
struct given_up {
    place where;
    std::string why;
};

// Length of the UTF-8 sequence at the start of `text`; 0 if it is none (RFC 3629, so no surrogates, none overlong).
std::size_t utf8_length(std::string_view text) {
    const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
    const auto follows = [&](std::size_t i) { return (byte(i) & 0xc0) == 0x80; };
    const unsigned first = byte(0);
    if (first < 0x80) return 1;
    if (first >= 0xc2 && first < 0xe0) return follows(1) ? 2 : 0;
    if (first >= 0xe0 && first < 0xf0) {
        if ((first == 0xe0 && byte(1) < 0xa0) || (first == 0xed && byte(1) > 0x9f)) return 0;
        return follows(1) && follows(2) ? 3 : 0;
    }
    if (first < 0xf0 || first > 0xf4) return 0;
    if ((first == 0xf0 && byte(1) < 0x90) || (first == 0xf4 && byte(1) > 0x8f)) return 0;
    return follows(1) && follows(2) && follows(3) ? 4 : 0;
}

// Where `text` stops being UTF-8 text without control characters; npos if nowhere. Moves `at` there.
std::size_t find_non_text(std::string_view text, place& at) {
    for (std::size_t i = 0; i < text.size();) {
        const char c = text[i];
        const auto length = utf8_length(text.substr(i));
        const bool control = (static_cast<unsigned char>(c) < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f;
        if (length == 0 || control) return i;
        if (c == '\n') {
            ++at.line;
            at.column = 1;
        } else
            at.column += static_cast<int>(length);
        i += length;
    }
    return std::string_view::npos;
}

// Builds the tree of the first document from yaml-cpp's events.
class tree_builder : public YAML::EventHandler {
  public:
    tree_builder(const std::string& content, std::size_t file, node_budget& budget, report& to)
        : content_(content), file_(file), budget_(budget), report_(to) {}

    node take_root() { return std::move(root_); }

    void OnDocumentStart(const YAML::Mark&) override {}
    void OnDocumentEnd() override {}

    void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { close(make(node::kind::null, mark), anchor); }

    void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  const std::string& value) override {
        refuse_tag(tag, mark);
        if (tag == "!" && !is_closed(mark)) throw given_up{at(mark), "this quote is never closed"};
        node scalar = make(node::kind::scalar, mark);
        scalar.text = value;
        std::string why;
        if (!wants_key() && !expand_environment(scalar.text, why)) report_.fault(scalar.where, why);
        place unused;
        if (!wants_key() && find_non_text(scalar.text, unused) != std::string_view::npos)
            report_.fault(scalar.where, in_quotes(scalar.text) + " has control characters or is not UTF-8");
        close(std::move(scalar), anchor);
    }

    void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
        const auto found = anchors_.find(anchor);
        if (found == anchors_.end()) throw given_up{at(mark), "an alias stands inside what it repeats"};
        spend(count(found->second), at(mark));
        close(node(found->second), YAML::NullAnchor);
    }

    void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                         YAML::EmitterStyle::value) override {
        refuse_tag(tag, mark);
        open_.push_back({make(node::kind::sequence, mark), anchor, {}, false, false});
    }

    void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                    YAML::EmitterStyle::value) override {
        refuse_tag(tag, mark);
        open_.push_back({make(node::kind::mapping, mark), anchor, {}, true, false});
    }

    void OnSequenceEnd() override { close_collection(); }
    void OnMapEnd() override { close_collection(); }

  private:
    struct collection {
        node value;
        YAML::anchor_t anchor;
        std::unordered_map<std::string, place> seen;  // keys of a mapping
        bool wants_key;                               // a mapping of which a key comes next
        bool drop_next;                               // its key was refused, so its value is not for us
    };

    place at(const YAML::Mark& mark) const {
        return mark.is_null() ? place{file_, 1, 1} : place{file_, mark.line + 1, mark.column + 1};
    }

    bool wants_key() const { return !open_.empty() && open_.back().wants_key; }

    static std::size_t count(const node& tree) {
        std::size_t sum = 1;
        for (const node& item : tree.items) sum += count(item);
        return sum;
    }

    void spend(std::size_t nodes, const place& where) {
        if (nodes > budget_.left)
            throw given_up{where,
                           "the configuration has more than 100000 values, aliases followed; write less or "
                           "repeat less by aliases"};
        budget_.left -= nodes;
    }

    node make(node::kind type, const YAML::Mark& mark) {
        spend(1, at(mark));
        node out;
        out.type = type;
        out.where = at(mark);
        return out;
    }

    // "?" is a plain scalar or collection, "!" a quoted scalar.
    void refuse_tag(const std::string& tag, const YAML::Mark& mark) {
        if (tag.empty() || tag == "?" || tag == "!" || tag == "tag:yaml.org,2002:str") return;
        report_.fault(at(mark), "the tag " + in_quotes(tag) + " has no meaning here; leave it out");
    }

    // yaml-cpp takes the end of the file for the end of a quoted scalar.
    bool is_closed(const YAML::Mark& mark) const {
        const auto first = static_cast<std::size_t>(std::max(mark.pos, 0));
        if (first >= content_.size()) return false;
        const char quote = content_[first];
        if (quote != '"' && quote != '\'') return true;  // it has an anchor in front
        for (auto i = first + 1; i < content_.size(); ++i) {
            const bool doubled = quote == '\'' && content_.substr(i, 2) == "''";
            if (doubled || (quote == '"' && content_[i] == '\\'))
                ++i;
            else if (content_[i] == quote)
                return true;
        }
        return false;
    }

    void close_collection() {
        collection done = std::move(open_.back());
        open_.pop_back();
        close(std::move(done.value), done.anchor);
    }

    // `value` is complete: to its anchor and to what it stands in.
    void close(node&& value, YAML::anchor_t anchor) {
        if (anchor != YAML::NullAnchor) {
            spend(count(value), value.where);
            anchors_[anchor] = value;
        }
        if (open_.empty()) {
            root_ = std::move(value);
            return;
        }
        collection& parent = open_.back();
        if (parent.wants_key) {
            parent.drop_next = !take_key(parent, std::move(value));
            parent.wants_key = false;
            return;
        }
        parent.wants_key = parent.value.is_mapping();
        if (!std::exchange(parent.drop_next, false)) parent.value.items.push_back(std::move(value));
    }

    bool take_key(collection& parent, node&& value) {
        if (!value.is_scalar()) {
            report_.fault(value.where, value.is_sequence()
                                           ? "a list cannot be a key; an IPv6 address is written in quotes, such as "
                                             "\"[::1]:8880\""
                                           : "a key has to be a word");
            return false;
        }
        if (value.text == "<<") {
            report_.fault(value.where, "merge keys (<<) are not supported; write the keys out");
            return false;
        }
        const auto [first, is_new] = parent.seen.emplace(value.text, value.where);
        if (!is_new) {
            report_.fault(value.where, in_quotes(value.text) + " is given twice; the first is at " +
                                           report_.text(first->second) + ", remove one of them");
            return false;
        }
        parent.value.keys.push_back({std::move(value.text), value.where});
        return true;
    }

    std::string_view content_;
    std::size_t file_;
    node_budget& budget_;
    report& report_;
    std::vector<collection> open_;
    std::map<YAML::anchor_t, node> anchors_;
    node root_;
};

// Sees a second document only to refuse it.
class document_refuser : public YAML::EventHandler {
  public:
    document_refuser(std::size_t file, std::string_view content) : file_(file), content_(content) {}

    void OnDocumentStart(const YAML::Mark& mark) override {
        const place where{file_, mark.line + 1, mark.column + 1};
        // yaml-cpp also begins a new document where the first cannot go on, as after a wrong indentation.
        const auto from = static_cast<std::size_t>(std::max(mark.pos, 0));
        const bool by_marker = content_.substr(std::min(from, content_.size()), 3) == "---" ||
                               content_.substr(0, from).rfind("\n---") != std::string_view::npos;
        throw given_up{where, by_marker ? "a second document begins here; a configuration is one document"
                                        : "this does not belong to what is above it; look at the indentation"};
    }
    void OnDocumentEnd() override {}
    void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
    void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
    void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t, const std::string&) override {}
    void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {}
    void OnSequenceEnd() override {}
    void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {}
    void OnMapEnd() override {}

  private:
    std::size_t file_;
    std::string_view content_;
};

// The whole line of `content` in which the byte number `offset` lies.
std::string_view line_at(std::string_view content, std::size_t offset) {
    const auto before = offset == 0 ? std::string_view::npos : content.rfind('\n', offset - 1);
    const auto first = before == std::string_view::npos ? 0 : before + 1;
    return content.substr(first, content.find('\n', first) - first);
}

// The cure for the mistakes that are made often; empty for others.
std::string hint_for(std::string_view message, std::string_view content, std::size_t offset) {
    const auto says = [&](std::string_view part) { return message.find(part) != std::string_view::npos; };
    const auto line = line_at(content, offset);
    if (line.substr(0, line.find_first_not_of(" \t")).find('\t') != std::string_view::npos)
        return "; indent with spaces, not tabs";
    if (line.find("]:") != std::string_view::npos)
        return "; an IPv6 address is written in quotes, such as \"[::1]:8880\"";
    if (says("alias") || says("anchor")) return "; a value that begins with * or & is written in quotes, such as \"*\"";
    if (says("unknown token") && content.substr(offset, 1).find_first_of("@`%") == 0)
        return "; a value that begins with @, ` or % is written in quotes";
    if (says("illegal map value"))
        return "; a value that has \": \" in it is written in quotes, or the indentation is off";
    if (says("end of")) return "; look at the indentation, the quotes and the brackets";
    return {};
}

}  // namespace

std::optional<std::string> read_file(const std::string& path, const place& at, report& to) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) {
        to.fault(at, "cannot read " + in_quotes(path) + ": " + std::strerror(errno));
        return std::nullopt;
    }
    if (S_ISDIR(status.st_mode)) {
        to.fault(at, in_quotes(path) + " is a directory, not a file");
        return std::nullopt;
    }
    std::ifstream in(path, std::ios::binary);
    if (!in) {
        to.fault(at, "cannot read " + in_quotes(path) + ": " + std::strerror(errno));
        return std::nullopt;
    }
    // By pieces: room for the most that may come, zeroed, would be half the work of a reload.
    std::string content;
    std::array<char, 16 * 1024> piece;
    while (content.size() <= most_bytes && (in.read(piece.data(), piece.size()), in.gcount() > 0))
        content.append(piece.data(), static_cast<std::size_t>(in.gcount()));
    if (content.size() > most_bytes) {
        to.fault(at, in_quotes(path) + " is larger than 4 MiB; that is no configuration");
        return std::nullopt;
    }
    if (content.compare(0, 3, "\xef\xbb\xbf") == 0) content.erase(0, 3);  // a byte order mark
    return content;
}

std::optional<node> parse_document(const std::string& content, std::size_t file, node_budget& budget, report& to) {
    place bad{file, 1, 1};
    if (const auto offset = find_non_text(content, bad); offset != std::string_view::npos) {
        char byte[8];
        std::snprintf(byte, sizeof byte, "0x%02x", static_cast<unsigned>(static_cast<unsigned char>(content[offset])));
        to.fault(bad, "this is not a text file: byte " + std::string(byte) + " is neither printable nor UTF-8");
        return std::nullopt;
    }
    const auto place_of = [&](const YAML::Mark& mark) {
        return mark.is_null() ? place{file, 1, 1} : place{file, mark.line + 1, mark.column + 1};
    };
    tree_builder builder(content, file, budget, to);
    try {
        std::istringstream in(content);
        YAML::Parser parser(in);
        parser.HandleNextDocument(builder);
        document_refuser others(file, content);
        parser.HandleNextDocument(others);
        return builder.take_root();
    } catch (const given_up& end) {
        to.fault(end.where, end.why);
    } catch (const YAML::DeepRecursion& error) {
        to.fault(place_of(error.mark), "this is nested too deeply to be a configuration");
    } catch (const YAML::Exception& error) {
        const auto offset =
            error.mark.is_null() ? content.size() : static_cast<std::size_t>(std::max(error.mark.pos, 0));
        to.fault(place_of(error.mark),
                 "this is not YAML: " + error.msg + hint_for(error.msg, content, std::min(offset, content.size())));
    }
    return std::nullopt;
}

}  // namespace weir::conf

#include "conf/include.hpp"

#include "conf/words.hpp"

#include <glob.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <utility>
#include <vector>

namespace weir::conf {
namespace {

constexpr std::size_t most_files = 1'000;

bool is_appended(std::string_view key) {
    return key == "listen" || key == "routes";
}

// `into` and `from` as one list; a single entry stands for a list of itself.
void append(node& into, node&& from) {
    for (node* each : {&into, &from}) {
        if (each->is_sequence()) continue;
        node list;
        list.type = node::kind::sequence;
        list.where = each->where;
        if (!each->is_null()) list.items.push_back(std::move(*each));
        *each = std::move(list);
    }
    std::move(from.items.begin(), from.items.end(), std::back_inserter(into.items));
}

void merge(node& into, node&& from, const std::string& path, report& to) {
    std::map<std::string_view, std::size_t> known;
    for (std::size_t i = 0; i < into.keys.size(); ++i) known.emplace(into.keys[i].name, i);
    std::vector<std::size_t> added;
    for (std::size_t i = 0; i < from.keys.size(); ++i) {
        const auto found = known.find(from.keys[i].name);
        if (found == known.end()) {
            added.push_back(i);
            continue;
        }
        node& mine = into.items[found->second];
        node& theirs = from.items[i];
        const std::string name = path.empty() ? from.keys[i].name : path + "." + from.keys[i].name;
        if (path.empty() && is_appended(name))
            append(mine, std::move(theirs));
        else if (theirs.is_null())
            continue;
        else if (mine.is_null())
            mine = std::move(theirs);
        else if (mine.is_mapping() && theirs.is_mapping())
            merge(mine, std::move(theirs), name, to);
        else
            to.fault(from.keys[i].where, name + " is given twice over the included files; the first is at " +
                                             to.text(into.keys[found->second].where) + ", remove one of them");
    }
    for (const std::size_t i : added) {
        into.keys.push_back(std::move(from.keys[i]));
        into.items.push_back(std::move(from.items[i]));
    }
}

// The text with what glob(3) would take for a pattern escaped.
std::string escape_glob(const std::string& text) {
    std::string out;
    for (const char c : text) {
        if (c == '*' || c == '?' || c == '[' || c == '\\') out += '\\';
        out += c;
    }
    return out;
}

class file_merger {
  public:
    file_merger(node_budget& budget, report& to) : budget_(budget), report_(to) {}

    // The tree of one file with those it includes; `at` is where it was asked for.
    node load(const std::string& path, const place& at);
    bool complete() const { return complete_; }

  private:
    void include(const node& pattern, node& into);
    std::vector<std::string> matches(const node& pattern);
    bool enter(const std::string& path, const place& at);
    node give_up() {
        complete_ = false;
        node empty;
        empty.type = node::kind::mapping;
        return empty;
    }

    node_budget& budget_;
    report& report_;
    bool complete_ = true;
    std::map<std::string, place> seen_;  // where each file was asked for, by its real path
    std::vector<std::pair<std::string, std::string>>
        open_;  // real path and name of the files being read, outermost first
};

// False, and a fault, if the file is being read or has been.
bool file_merger::enter(const std::string& path, const place& at) {
    std::error_code unused;
    auto real = std::filesystem::weakly_canonical(path, unused).string();
    if (real.empty()) real = path;
    const auto same = [&](const auto& each) { return each.first == real; };
    const auto open = std::find_if(open_.begin(), open_.end(), same);
    if (open != open_.end()) {
        std::string circle;
        for (auto each = open; each != open_.end(); ++each) circle += each->second + " -> ";
        report_.fault(at, "include: this goes in a circle: " + circle + path);
        return false;
    }
    const auto [first, is_new] = seen_.emplace(real, at);
    if (!is_new) {
        report_.fault(at, "include: " + in_quotes(path) + " is included already at " + report_.text(first->second));
        return false;
    }
    if (seen_.size() > most_files) {
        report_.fault(at, "include: these are more than 1000 files");
        return false;
    }
    open_.emplace_back(real, path);
    return true;
}

node file_merger::load(const std::string& path, const place& at) {
    if (!enter(path, at)) return give_up();
    const auto content = read_file(path, at, report_);
    std::optional<node> root;
    place own = at;
    if (content) {
        // The main file has been added already, so that a fault in reading it has a place.
        if (open_.size() > 1) own = {report_.add_file(path), 1, 1};
        root = parse_document(*content, own.file, budget_, report_);
    }
    if (root && !root->is_null() && !root->is_mapping()) {
        report_.fault(root->where, "a configuration is a mapping of keys, such as \"listen: 127.0.0.1:8880\"");
        root.reset();
    }
    if (!root) {
        open_.pop_back();
        return give_up();
    }
    root->type = node::kind::mapping;
    const auto key =
        std::find_if(root->keys.begin(), root->keys.end(), [](const auto& each) { return each.name == "include"; });
    if (key != root->keys.end()) {
        const auto index = key - root->keys.begin();
        const node patterns = std::move(root->items[static_cast<std::size_t>(index)]);
        root->items.erase(root->items.begin() + index);
        root->keys.erase(key);
        if (patterns.is_scalar())
            include(patterns, *root);
        else if (patterns.is_mapping())
            report_.fault(patterns.where, "include: this has to be a list of file names");
        else
            for (const node& pattern : patterns.items) include(pattern, *root);
    }
    open_.pop_back();
    return std::move(*root);
}

void file_merger::include(const node& pattern, node& into) {
    if (!pattern.is_scalar() || pattern.text.empty()) {
        report_.fault(pattern.where, "include: this has to be a file name or a pattern, such as conf.d/*.yaml");
        return;
    }
    for (const std::string& path : matches(pattern)) merge(into, load(path, pattern.where), {}, report_);
}

std::vector<std::string> file_merger::matches(const node& pattern) {
    const bool is_pattern = pattern.text.find_first_of("*?[") != std::string::npos;
    if (!is_pattern) return {resolve_path(pattern.text, pattern.where, report_)};
    std::string full = pattern.text;
    if (full.front() != '/') {
        const auto& file = report_.file(pattern.where);
        const auto slash = file.rfind('/');
        if (slash != std::string::npos) full = escape_glob(file.substr(0, slash + 1)) + full;
    }
    glob_t found{};
    const int status = ::glob(full.c_str(), 0, nullptr, &found);
    std::vector<std::string> out(found.gl_pathv, found.gl_pathv + (status == 0 ? found.gl_pathc : 0));
    ::globfree(&found);
    if (out.empty()) report_.warn(pattern.where, "include: " + in_quotes(pattern.text) + " matches no file");
    return out;
}

}  // namespace

merged_files load_merged(const std::string& path, node_budget& budget, report& to) {
    file_merger merger(budget, to);
    const place start{to.add_file(path), 1, 1};
    merged_files out;
    out.root = merger.load(path, start);
    out.complete = merger.complete();
    return out;
}

std::string resolve_path(const std::string& path, const place& at, const report& from) {
    const auto& file = from.file(at);
    const auto slash = file.rfind('/');
    if (path.empty() || path.front() == '/' || slash == std::string::npos) return path;
    return file.substr(0, slash + 1) + path;
}

}  // namespace weir::conf

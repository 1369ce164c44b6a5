#include "conf/report.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

namespace weir::conf {
namespace {

constexpr std::size_t most_faults = 1'000;

}  // namespace

std::size_t report::add_file(std::string name) {
    files_.push_back(std::move(name));
    return files_.size() - 1;
}

void report::fault(const place& at, std::string what) {
    faults_.push_back({at, std::move(what)});
}

void report::warn(const place& at, const std::string& what) {
    warnings_.push_back(text(at) + ": " + what);
}

std::string report::text(const place& at) const {
    return files_[at.file] + ":" + std::to_string(at.line) + ":" + std::to_string(at.column);
}

std::vector<conf::fault> report::take_faults() {
    const auto order = [](const placed& each) {
        return std::tie(each.at.file, each.at.line, each.at.column, each.what);
    };
    std::sort(faults_.begin(), faults_.end(), [&](const placed& a, const placed& b) { return order(a) < order(b); });
    const auto same = [&](const placed& a, const placed& b) { return order(a) == order(b); };
    faults_.erase(std::unique(faults_.begin(), faults_.end(), same), faults_.end());
    if (faults_.size() > most_faults) {
        faults_.resize(most_faults + 1);
        faults_.back().what = "and more faults from here on";
    }
    std::vector<conf::fault> out;
    out.reserve(faults_.size());
    for (placed& each : faults_)
        out.push_back({files_[each.at.file], each.at.line, each.at.column, std::move(each.what)});
    faults_.clear();
    return out;
}

}  // namespace weir::conf

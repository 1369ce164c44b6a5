#include "proxy/doctor.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <ostream>
#include <sstream>
#include <system_error>

#include "proxy/log.hpp"

namespace weir::proxy {

namespace {

std::string error_text(int error) {
    return std::generic_category().message(error);
}

// The number at `index` among those in a file of /proc. None: no such file, or a word such as "max".
std::optional<std::uint64_t> number_in(const std::string& path, int index = 0) {
    std::ifstream file(path);
    std::uint64_t number = 0;
    for (int i = 0; i <= index; ++i)
        if (!(file >> number)) return std::nullopt;
    return number;
}

std::optional<std::uint64_t> parameter(const std::string& path, int index = 0) {
    return number_in("/proc/sys/" + path, index);
}

std::optional<std::uint64_t> available_memory() {
    std::ifstream file("/proc/meminfo");
    std::string name;
    std::uint64_t kibibytes = 0;
    for (std::string rest; file >> name >> kibibytes; std::getline(file, rest))
        if (name == "MemAvailable:") return kibibytes * conf::kibibyte;
    return std::nullopt;
}

std::optional<std::uint64_t> free_memory() {
    auto least = available_memory();
    std::ifstream file("/proc/self/cgroup");
    const std::string own{std::istreambuf_iterator<char>(file), {}};
    for (const std::string& path : memory_limit_files(own)) {
        const auto limit = number_in(path);
        if (limit && (!least || *limit < *least)) least = limit;
    }
    return least;
}

void read_descriptor_limit(machine& into) {
    rlimit limit;
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_max == RLIM_INFINITY) return;
    into.open_files = limit.rlim_max;
    into.soft_open_files = limit.rlim_cur;
}

void print(std::ostream& out, const finding& each) {
    out << (each.fits() ? "OK   " : "NO   ") << each.limit << ": " << each.found << "; needed: " << each.needed << '\n';
    if (each.fits()) return;
    const bool kernel = each.cure.starts_with("net.") || each.cure.starts_with("fs.");
    out << "       " << each.cure << (kernel ? "   in /etc/sysctl.d/60-weir.conf, then sysctl --system" : "") << '\n';
}

}  // namespace

std::vector<std::string> memory_limit_files(std::string_view text) {
    std::vector<std::string> files;
    std::istringstream lines{std::string(text)};
    // Each is "hierarchy:controllers:path"; version 2 has number 0 and names no controllers.
    for (std::string line; std::getline(lines, line);) {
        const auto first = line.find(':');
        const auto second = line.find(':', first + 1);
        if (first == std::string::npos || second == std::string::npos) continue;
        const std::string controllers = ',' + line.substr(first + 1, second - first - 1) + ',';
        const bool unified = line.starts_with("0:") && controllers == ",,";
        if (!unified && controllers.find(",memory,") == std::string::npos) continue;
        const std::string root = unified ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory";
        const std::string name = unified ? "/memory.max" : "/memory.limit_in_bytes";
        std::string path = line.substr(second + 1);
        while (path.ends_with('/')) path.pop_back();
        for (;; path.erase(path.rfind('/'))) {
            files.push_back(root + path + name);
            if (path.find('/') == std::string::npos) break;
        }
    }
    return files;
}

void read_spool(const conf::buffering_settings& buffering, machine& into) {
    into.free_disk.reset();
    into.spool_fault.clear();
    if (!buffering.spool_max_bytes) return;
    const char* const folder = buffering.spool_dir.c_str();
    struct stat about {};
    struct statvfs disk {};
    if (::stat(folder, &about) != 0)
        into.spool_fault = errno == ENOENT ? "it does not exist" : error_text(errno);
    else if (!S_ISDIR(about.st_mode))
        into.spool_fault = "it is no folder";
    else if (::faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS) != 0)
        into.spool_fault = "it cannot be written to: " + error_text(errno);
    else if (::statvfs(folder, &disk) == 0)
        into.free_disk = std::uint64_t{disk.f_bavail} * disk.f_frsize;
}

machine read_machine(const conf::settings& settings) {
    machine found;
    read_descriptor_limit(found);
    found.most_for_limit = parameter("fs/nr_open");
    found.all_open_files = parameter("fs/file-max");
    found.accept_queue = parameter("net/core/somaxconn");
    found.syn_queue = parameter("net/ipv4/tcp_max_syn_backlog");
    found.syn_cookies = parameter("net/ipv4/tcp_syncookies");
    found.orphans = parameter("net/ipv4/tcp_max_orphans");
    found.packet_queue = parameter("net/core/netdev_max_backlog");
    found.window_scaling = parameter("net/ipv4/tcp_window_scaling");
    found.tcp_pages = parameter("net/ipv4/tcp_mem", 2);
    found.first_port = parameter("net/ipv4/ip_local_port_range");
    found.last_port = parameter("net/ipv4/ip_local_port_range", 1);
    std::ifstream reserved("/proc/sys/net/ipv4/ip_local_reserved_ports");
    std::getline(reserved, found.reserved_ports);
    found.port_reuse = parameter("net/ipv4/tcp_tw_reuse");
    found.connections = parameter("net/netfilter/nf_conntrack_max");
    found.free_memory = free_memory();
    read_spool(settings.buffering, found);
    const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null >= 0)
        ::close(null);
    else
        found.null_fault = error_text(errno);
    return found;
}

int run_doctor(const conf::settings& settings, std::ostream& out) {
    const auto findings = judge(settings, read_machine(settings));
    out << "For " << clients_to_hold(settings) << " clients (client.max_connections"
        << (settings.client.max_connections ? "" : ": auto, which takes what there is")
        << "), as this user and within the limits of this shell:\n";
    for (const finding& each : findings) print(out, each);
    const auto bad = std::count_if(findings.begin(), findings.end(), [](const finding& each) { return !each.fits(); });
    if (bad == 0)
        out << "OK\n";
    else
        out << bad << " of " << findings.size() << " do not fit\n";
    return bad == 0 ? 0 : 1;
}

void warn_of_limits(const conf::settings& settings, const machine& on) {
    for (const finding& each : judge(settings, on)) {
        if (each.fits()) continue;
        log::warning("{}: {}; needed: {}; weir doctor FILE says more", each.limit, each.found, each.needed);
    }
}

}  // namespace weir::proxy

#include "bank_files.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <stdexcept>
#include <thread>

#ifdef _WIN32
#include <io.h>
#include <windows.h>
#else
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

#include "peer.h"
#include "places.h"

namespace foleyd {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t most_bytes = (std::size_t{4} << 20) + 1;   // one more than a bank may have

[[noreturn]] void no(const std::string& sentence) { throw std::invalid_argument(sentence); }

std::string bytes_of(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) no("cannot read " + path.string() + ": make it a file that may be read.");
    std::string bytes(most_bytes, '\0');
    file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    bytes.resize(static_cast<std::size_t>(file.gcount()));
    return bytes;
}

// An exclusive lock on a file beside the bank, which is made where it is missing and stays.
class Lock {
public:
    Lock(const fs::path& path, double patience) {
        const auto until = std::chrono::steady_clock::now() + std::chrono::duration<double>(patience);
        while (!take(path)) {
            if (std::chrono::steady_clock::now() > until)
                no("another program is writing " + path.stem().string() + ": try again in a moment.");
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
        }
    }
    ~Lock() { leave(); }
    Lock(const Lock&) = delete;
    Lock& operator=(const Lock&) = delete;

private:
#ifdef _WIN32
    HANDLE file_ = INVALID_HANDLE_VALUE;
    bool take(const fs::path& path) {
        file_ = CreateFileW(path.c_str(), GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE, nullptr, OPEN_ALWAYS,
                            FILE_ATTRIBUTE_NORMAL, nullptr);
        if (file_ == INVALID_HANDLE_VALUE) no("cannot write to " + path.parent_path().string() + ": make it a folder that may be written.");
        OVERLAPPED first{};
        if (LockFileEx(file_, LOCKFILE_EXCLUSIVE_LOCK | LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &first)) return true;
        leave();
        return false;
    }
    void leave() {
        if (file_ != INVALID_HANDLE_VALUE) CloseHandle(file_);
        file_ = INVALID_HANDLE_VALUE;
    }
#else
    int file_ = -1;
    bool take(const fs::path& path) {
        file_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
        if (file_ < 0) no("cannot write to " + path.parent_path().string() + ": make it a folder that may be written.");
        struct stat mine {}, there {};
        // what was locked must still be the file of that name
        if (flock(file_, LOCK_EX | LOCK_NB) == 0 && fstat(file_, &mine) == 0 && stat(path.c_str(), &there) == 0 &&
            mine.st_ino == there.st_ino && mine.st_dev == there.st_dev)
            return true;
        leave();
        return false;
    }
    void leave() {
        if (file_ >= 0) close(file_);
        file_ = -1;
    }
#endif
};

// A file with these bytes, on the disk when this returns.
void write_flushed(const fs::path& path, const std::string& bytes) {
    bool done = false;
#ifdef _WIN32
    {
        std::ofstream file(path, std::ios::binary | std::ios::trunc);
        file << bytes << std::flush;
        done = file.good();
    }
#else
    const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (file >= 0) {
        std::size_t at = 0;
        while (at < bytes.size()) {
            const auto count = write(file, bytes.data() + at, bytes.size() - at);
            if (count < 0) break;
            at += static_cast<std::size_t>(count);
        }
        done = at == bytes.size() && fsync(file) == 0;
        done = close(file) == 0 && done;
    }
#endif
    if (done) return;
    std::error_code none;
    fs::remove(path, none);
    no("cannot write to " + path.parent_path().string() + ": make it a folder with space that may be written.");
}

}  // namespace

// `foleyd plugin build` says where its banks are
#ifndef FOLEYD_PRESETS
#define FOLEYD_PRESETS ""
#endif

BankFiles::BankFiles() : BankFiles(data_home("presets"), FOLEYD_PRESETS) {}

BankFiles::BankFiles(fs::path user, fs::path shipped) : user_(std::move(user)), shipped_(std::move(shipped)) {}

std::map<std::string, fs::path> BankFiles::files() const {
    std::map<std::string, fs::path> made;
    for (const auto& folder : {shipped_, user_}) {   // the user's go before
        std::error_code error;
        if (folder.empty()) continue;
        for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
            const auto& path = at->path();
            if (path.extension() != ".json") continue;
            try {
                check_bank_name(path.stem().string());
            } catch (const std::invalid_argument&) {
                continue;   // the schema lies there too
            }
            made[path.stem().string()] = path;
        }
    }
    return made;
}

std::vector<FoundBank> BankFiles::all() const {
    std::vector<FoundBank> made;
    for (const auto& [name, path] : files()) {
        FoundBank found;
        found.bank.name = found.bank.title = name;
        found.bank.path = path.string();
        try {
            found.bank = get(name);
        } catch (const std::exception& error) {
            found.problem = error.what();
        }
        made.push_back(std::move(found));
    }
    return made;
}

Bank BankFiles::get(const std::string& name) const {
    check_bank_name(name);
    const auto known = files();
    const auto found = known.find(name);
    if (found == known.end()) {
        auto made = read_bank(name, R"({"format": 1, "presets": []})", name);
        made.path = (user_ / (name + ".json")).string();
        made.users = true;
        return made;
    }
    const auto bytes = bytes_of(found->second);
    auto made = read_bank(name, bytes, found->second.string());
    made.path = found->second.string();
    made.users = found->second.parent_path() == user_;
    if (made.users) made.stamp = hex_digest(bytes);
    return made;
}

Bank BankFiles::put(const std::string& name, const OrderedJson& preset, bool replace, double patience) const {
    const auto bank = get(name);
    const auto before = bank.presets.size();
    auto changed = with_preset(bank, preset);
    if (changed.presets.size() == before && !replace)
        no("the bank " + name + " has a preset " + in_quotes(preset.value("name", "")) + " already: rename it, or replace that one.");
    return save(changed, patience);
}

Bank BankFiles::save(const Bank& bank, double patience) const {
    check_bank_name(bank.name);
    const auto path = user_ / (bank.name + ".json");
    const auto bytes = written(bank.document);
    auto made = read_bank(bank.name, bytes, path.string());   // nothing is written that could not be read
    std::error_code error;
    fs::create_directories(user_, error);
    const Lock lock(fs::path(path.string() + ".lock"), patience);
    const auto there = fs::exists(path, error) ? hex_digest(bytes_of(path)) : "";
    if (there != bank.stamp)
        no(path.string() + (there.empty() ? " was removed" : " was changed") + " by another program since it was read: read it again.");
    const auto beside = user_ / ("." + bank.name + "-" + draw_id() + ".part");
    write_flushed(beside, bytes);
    fs::rename(beside, path, error);
    if (error) {
        fs::remove(beside, error);
        no("cannot write " + path.string() + ": make it a file that may be written.");
    }
    made.users = true;
    made.path = path.string();
    made.stamp = hex_digest(bytes);
    return made;
}

}  // namespace foleyd

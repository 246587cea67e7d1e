// The banks on this machine: those that ship with foleyd, and the user's, which go before them by name. Other programs
// write the user's banks too: presets/README.md says how nothing is lost, and this does it so.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "presets.h"

namespace foleyd {

// A bank as it lies there; where it is broken, `problem` says file, line and reason, and it has no presets.
struct FoundBank {
    Bank bank;
    std::string problem;
};

class BankFiles {
public:
    // foleyd's own folders unless others are named; an empty `shipped` has none.
    BankFiles();
    BankFiles(std::filesystem::path user, std::filesystem::path shipped);

    const std::filesystem::path& user() const { return user_; }
    const std::filesystem::path& shipped() const { return shipped_; }
    std::vector<FoundBank> all() const;   // by name

    // The bank of that name, or a new and empty one of the user's. Throws std::invalid_argument where it is broken.
    Bank get(const std::string& name) const;

    // Puts a preset into a bank of the user's (a copy of it, where it ships with foleyd) and writes it; the bank as it then
    // is. Throws std::invalid_argument, with a sentence, where it cannot be, where another program is writing for more than
    // `patience` seconds, and, without `replace`, where the bank has a preset of that name.
    Bank put(const std::string& name, const OrderedJson& preset, bool replace, double patience = 10.0) const;

    // Writes a bank that was changed. Throws std::invalid_argument also where the file is not the one that it was read from.
    Bank save(const Bank& bank, double patience = 10.0) const;

private:
    std::map<std::string, std::filesystem::path> files() const;

    std::filesystem::path user_, shipped_;
};

}  // namespace foleyd

// What the editor brings to pads and takes from them beside generating: banks of presets, files in, files out. All of it
// touches the disk, so a thread of its own does it, one thing after the other.
#pragma once

#include <condition_variable>
#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "bank_files.h"
#include "board.h"

namespace foleyd {

struct ShelfView {
    std::shared_ptr<const std::vector<FoundBank>> banks;   // null until they were read
    std::string said;        // what the last errand came to, in a sentence
    bool failed = false;
    unsigned version = 0;    // counts errands that are done
};

class Shelf {
public:
    explicit Shelf(Board& board, BankFiles files = {});
    ~Shelf();   // after the errand that is under way; the others are dropped

    ShelfView view() const;
    bool busy() const;

    void read_banks();
    // The pad as a preset of a bank of the user's, which is made where it is new.
    void save_preset(int pad, const std::string& bank, const std::string& name, bool replace);
    // The files on pads from `pad` on, one on each.
    void import(int pad, std::vector<std::filesystem::path> files);
    // The pad's clip into a folder, beside whatever is there, by its category and words.
    void copy_to(int pad, const std::filesystem::path& folder);
    // Makes a file of a pad's sound that can be dragged away, by its category and words, in foleyd's folder "exports"; the
    // library's own where it lies on this machine and no category asks for another name. Empty until it is there; ask again.
    std::filesystem::path dragged(const SoundPtr& sound, const PadView& pad);

private:
    void push(std::function<std::string()> errand);
    void run();
    std::filesystem::path librarys(const Sound& sound) const;
    std::filesystem::path export_to(const std::filesystem::path& folder, const Sound& sound, const PadView& pad, bool again) const;

    Board& board_;
    const BankFiles files_;
    mutable std::mutex guard_;
    std::condition_variable more_;
    std::deque<std::function<std::string()>> errands_;
    bool ending_ = false, working_ = false;
    ShelfView view_;
    SoundPtr dragged_;                    // the sound that `file_` is made of, or is being made of
    std::string category_;                // that it is called by
    std::filesystem::path file_;
    std::thread thread_;
};

}  // namespace foleyd

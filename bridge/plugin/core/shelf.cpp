#include "shelf.h"

#include <cmath>
#include <stdexcept>

#include "audio_file.h"
#include "clip_name.h"
#include "places.h"

namespace foleyd {

namespace fs = std::filesystem;

namespace {

constexpr float coarsest = 1.0f / 16384;   // between a clip and its file of 16 bits

bool holds(const fs::path& path, const Sound& sound) {
    std::error_code error;
    if (!fs::is_regular_file(path, error)) return false;
    try {
        const auto there = read_sound_file(path);
        bool same = there->rate == sound.rate && there->frames() == sound.frames() && there->channels() == sound.channels();
        for (std::size_t k = 0; same && k < sound.left.size(); ++k)
            same = std::abs(there->left[k] - sound.left[k]) < coarsest;
        return same;
    } catch (const std::invalid_argument&) {
        return false;
    }
}

}  // namespace

Shelf::Shelf(Board& board, BankFiles files) : board_(board), files_(std::move(files)) {}

Shelf::~Shelf() {
    {
        const std::lock_guard lock(guard_);
        ending_ = true;
    }
    more_.notify_all();
    if (thread_.joinable()) thread_.join();
}

ShelfView Shelf::view() const {
    const std::lock_guard lock(guard_);
    return view_;
}

bool Shelf::busy() const {
    const std::lock_guard lock(guard_);
    return working_ || !errands_.empty();
}

// An errand returns what to say of it, and throws where it fails.
void Shelf::push(std::function<std::string()> errand) {
    const std::lock_guard lock(guard_);
    errands_.push_back(std::move(errand));
    // instances that never need it have no thread of it
    if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
    more_.notify_one();
}

void Shelf::run() {
    std::unique_lock lock(guard_);
    for (;;) {
        more_.wait(lock, [this] { return ending_ || !errands_.empty(); });
        if (ending_) return;
        const auto errand = std::move(errands_.front());
        errands_.pop_front();
        working_ = true;
        lock.unlock();
        std::string said;
        bool failed = false;
        try {
            said = errand();
        } catch (const std::exception& error) {
            said = error.what();
            failed = true;
        }
        lock.lock();
        working_ = false;
        if (!said.empty()) {
            view_.said = std::move(said);
            view_.failed = failed;
        }
        ++view_.version;
    }
}

void Shelf::read_banks() {
    push([this]() -> std::string {
        auto found = std::make_shared<const std::vector<FoundBank>>(files_.all());
        const std::lock_guard lock(guard_);
        view_.banks = std::move(found);
        return {};
    });
}

void Shelf::save_preset(int pad, const std::string& bank, const std::string& name, bool replace) {
    auto preset = board_.preset_of(pad, name);
    push([this, bank, name, replace, preset = std::move(preset)] {
        if (preset["recipe"].value("prompt", "").empty())
            throw std::invalid_argument("The pad has no prompt: say what to hear, then save it.");
        const auto saved = files_.put(bank, preset, replace);
        return bank + "/" + name + " is saved in " + saved.path;
    });
    read_banks();
}

void Shelf::import(int pad, std::vector<fs::path> files) {
    push([this, pad, files = std::move(files)] {
        std::string said, failed;
        int at = pad;
        for (const auto& file : files) {
            if (at >= pad_count) break;
            try {
                board_.put(at, read_sound_file(file));
                said = in_quotes(file.filename().string(), 60) + " is on pad " + std::to_string(at + 1) + ".";
                ++at;
            } catch (const std::exception& error) {
                failed = error.what();
            }
        }
        if (!failed.empty()) throw std::invalid_argument(failed);
        return said;
    });
}

fs::path Shelf::librarys(const Sound& sound) const {
    // a path from the daemon is only ever read, and only handed out where a WAV of that sound lies
    const fs::path path = board_.whereabouts(sound.id).path;
    if (sound.id.empty() || !path.is_absolute() || path.extension() != ".wav") return {};
    return holds(path, sound) ? path : fs::path();
}

// A file of its own name, or with `again` the one that holds the sound already; never in the place of another.
fs::path Shelf::export_to(const fs::path& folder, const Sound& sound, const PadView& pad, bool again) const {
    const auto known = board_.whereabouts(sound.id).name;
    const auto words = known.empty() ? text_of(pad.recipe, "prompt") : known;
    fs::path path;
    for (int number = 1;; ++number) {
        const auto name = clip_name(words, pad.category, number) + ".wav";
        path = folder / std::u8string(name.begin(), name.end());
        if (!fs::exists(path)) break;
        if (again && holds(path, sound)) return path;
    }
    if (const auto own = librarys(sound); !own.empty()) {
        std::error_code error;
        fs::copy_file(own, path, error);   // with what the library wrote into it
        if (error) throw std::invalid_argument("cannot write to " + folder.string() + ": choose a folder with space that may be written.");
    } else {
        write_sound_file(path, sound);
    }
    return path;
}

void Shelf::copy_to(int pad, const fs::path& folder) {
    const auto here = board_.view(pad);
    push([this, here, folder] {
        if (!here.sound) throw std::invalid_argument("The pad is empty: there is nothing to copy.");
        return export_to(folder, *here.sound, here, false).string() + " is there.";
    });
}

fs::path Shelf::dragged(const SoundPtr& sound, const PadView& pad) {
    if (!sound) return {};
    {
        const std::lock_guard lock(guard_);
        if (dragged_ == sound && category_ == pad.category) return file_;
        dragged_ = sound;
        category_ = pad.category;
        file_.clear();
    }
    push([this, sound, pad]() -> std::string {
        auto path = pad.category.empty() ? librarys(*sound) : fs::path();
        if (path.empty()) {
            const auto folder = data_home("exports");
            std::error_code error;
            fs::create_directories(folder, error);
            path = export_to(folder, *sound, pad, true);
        }
        const std::lock_guard lock(guard_);
        if (dragged_ == sound && category_ == pad.category) file_ = path;
        return {};
    });
    return {};
}

}  // namespace foleyd

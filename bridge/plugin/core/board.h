// The pads as a person has them: recipes, clips, how they play; asked for over the link, kept in the host's session.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "engine.h"
#include "link.h"

namespace foleyd {

// A finished clip among those that a request brought, and the seed that made it.
struct Candidate {
    SoundPtr sound;
    int seed = -1;
};

// What the editor shows of a pad.
struct PadView {
    Json recipe;
    SoundPtr sound;
    std::vector<Candidate> candidates;
    Progress progress;
    std::string wanted;    // the id of a clip that the session names and the library has not yet sent
    std::string failure;   // why the last request brought nothing
    bool locked = false;   // requests keep the recipe's seed; else each draws one
    unsigned recipes = 0;  // counts changes of the recipe that did not come from the editor
    unsigned version = 0;  // counts changes of sound and candidates
};

class Board final : public Guest {
public:
    explicit Board(std::shared_ptr<Link> link = Link::shared());
    ~Board() override;

    Engine engine;
    std::atomic<int> chosen{0};            // the pad that the editor shows and that `generate` means
    std::atomic<bool> generate{false};     // set by any thread, also the audio thread: ask for the chosen pad's sound
    std::atomic<bool> references{false};   // keep clips' ids in the session, and not their samples

    // None of these on the audio thread.
    void prepare(double rate);
    PadView view(int pad) const;
    void set_recipe(int pad, Json recipe);
    void lock(int pad, bool locked);
    void request(int pad, int count = 1);
    void cancel(int pad);
    void pick(int pad, std::size_t candidate);
    void put(int pad, SoundPtr sound);     // null empties the pad
    LinkState link_state() const { return link_->state(); }

    // The whole state as bytes, and back. `load` throws std::invalid_argument and changes nothing for what is no state.
    std::vector<std::uint8_t> save() const;
    void load(const std::uint8_t* data, std::size_t size);

    void tick() override;
    void arrived(int pad, std::vector<SoundPtr> clips, const Json& infos) override;
    void moved(int pad, const Progress& progress) override;
    void failed(int pad, const std::string& sentence) override;

private:
    PadView& at(int pad) { return pads_[static_cast<std::size_t>(pad)]; }
    void place(int pad, SoundPtr sound);

    mutable std::recursive_mutex guard_;
    std::array<PadView, pad_count> pads_;
    std::shared_ptr<Link> link_;
};

}  // namespace foleyd

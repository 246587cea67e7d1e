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
#include "history.h"
#include "link.h"
#include "presets.h"
#include "rework.h"
#include "tempo.h"

namespace foleyd {

// Drawn seeds are below this: hosts that know only floats keep them exactly.
constexpr int most_drawn_seed = 1 << 24;

// What the editor shows of a pad.
struct PadView {
    Json recipe;
    SoundPtr sound;
    Json made = Json::object();   // the recipe that the daemon made the sound by; empty where it is not known
    std::vector<Candidate> candidates;
    Progress progress;
    std::string category;  // CatID of the Universal Category System, which names of files begin with
    std::string wanted;    // the id of a clip that the session names and the library has not yet sent
    std::string failure;   // why the last request brought nothing
    bool locked = false;   // requests keep the recipe's seed; else each draws one
    bool tempo_words = false;   // the prompt that is sent says the host's tempo
    unsigned recipes = 0;  // counts changes of the recipe that did not come from the editor
    unsigned version = 0;  // counts changes of sound and candidates
};

// A clip of the daemon's library, as a search tells it.
struct LibraryRow {
    std::string id, name, prompt, path;
    double seconds = 0;
    int rate = 0, channels = 0;
    std::vector<std::string> tags;
};

struct LibraryView {
    std::vector<LibraryRow> rows;
    int total = 0;             // that match, however many are shown
    bool under_way = false;
    std::string failure;
    unsigned version = 0;      // counts answers
};

// Where the daemon's library has a clip, and what it is called; both are the daemon's word alone.
struct Whereabouts {
    std::string path, name;
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
    // A sound of the pad's clip, or why there cannot be one: empty where there can.
    void rework(int pad, Rework kind);
    std::string hindrance(int pad, Rework kind) const;
    void say_tempo(int pad, bool words);
    void say_category(int pad, const std::string& category);   // of what is none, nothing
    Tempo tempo() const;
    void pick(int pad, std::size_t candidate);
    void put(int pad, SoundPtr sound);     // null empties the pad
    // Words and play settings of a preset; one with several seeds takes the next each time. The pad's clip stays. Where the
    // preset starts from a sound, which pads have none of, a sentence says so and nothing changes.
    void load_preset(int pad, const std::string& bank, const Preset& preset);
    // The pad as a preset: its words, the seed that is locked or that made the clip of these words, and how it plays.
    OrderedJson preset_of(int pad, const std::string& name) const;
    // Clips of the library by text; answered in `library()`. And one of them on a pad.
    void search(const std::string& text);
    LibraryView library() const;
    void load_clip(int pad, const std::string& id);
    Whereabouts whereabouts(const std::string& id) const;
    // A setting of a pad by hand, which can be taken back, as clips can be.
    void set(int pad, Field field, float value);
    void undo();
    void redo();
    bool can_undo() const;
    bool can_redo() const;
    LinkState link_state() const { return link_->state(); }
    Abilities abilities() const { return link_->abilities(); }

    // The whole state as bytes, and back. `load` throws std::invalid_argument and changes nothing for what is no state.
    std::vector<std::uint8_t> save() const;
    void load(const std::uint8_t* data, std::size_t size);

    void tick() override;
    void arrived(int pad, std::vector<SoundPtr> clips, const Json& infos) override;
    void moved(int pad, const Progress& progress) override;
    void failed(int pad, const std::string& sentence) override;
    void listed(const Json& reply) override;

private:
    void learn(const Json& info);
    PadView& at(int pad) { return pads_[static_cast<std::size_t>(pad)]; }
    void place(int pad, SoundPtr sound, Json made = Json::object());
    PadState state_of(int pad, bool words = false) const;
    void keep(int pad, Field field = Field::count, bool words = false);
    void restore(PadState state);

    mutable std::recursive_mutex guard_;
    std::array<PadView, pad_count> pads_;
    History history_;
    LibraryView library_;
    std::map<std::string, Whereabouts> whereabouts_;
    std::map<std::string, std::size_t> turns_;   // how often a preset was loaded
    std::shared_ptr<Link> link_;
};

}  // namespace foleyd

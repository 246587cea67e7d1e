// The pads as the audio thread plays them: events, voices, eight stereo outputs. No lock, no allocation, no system
// call in process(). Clips come in by an atomic exchange and leave by a list that other threads empty.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "settings.h"
#include "sound.h"
#include "transport.h"
#include "voice.h"

namespace foleyd {

inline constexpr int pad_count = 64;
inline constexpr int output_count = 8;
inline constexpr int first_note = 36;   // plays the first pad

struct Event {
    enum class Kind : std::uint8_t { on, off, all_off, silence };
    int frame = 0;
    Kind kind = Kind::on;
    int note = 60;
    float velocity = 1.0f;
};

class Engine {
public:
    static constexpr int polyphony = 64;   // voices that sound; as many again may be fading

    Engine() = default;
    ~Engine();
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;

    // Settings and levels may be set by any thread at any time.
    std::array<Settings, pad_count> pads;
    std::atomic<float> master{0.0f};       // dB
    std::atomic<int> pitched{-1};          // the pad that all notes play, transposed; -1 where each note has its pad
    std::atomic<int> root{60};             // the note at which it sounds as it is

    // What has been told since: voices and place (share of the clip) of each pad, highest sample of each output.
    std::array<std::atomic<int>, pad_count> playing{};
    std::array<std::atomic<float>, pad_count> place{};
    std::array<std::atomic<float>, output_count> peak{};
    std::atomic<std::uint64_t> blocks{0}, dropped{0};
    std::atomic<double> bpm{120.0};        // the host's, and its time signature
    std::atomic<int> beats{4}, beat_type{4};

    // Not while process() runs. Everything that sounded is silent afterwards.
    void prepare(double rate);
    double rate() const { return rate_; }

    // Any thread but the audio thread. The pad's clip from the next block on; what sounds goes on with the old one,
    // and loops change over at their joint. Takes `clip`; null or no frames empties the pad.
    void put(int pad, std::unique_ptr<Fitted> clip);
    // Frees what the audio thread no longer needs; returns how many. Any thread but the audio thread, one at a time.
    std::size_t collect();

    // A press or release from elsewhere than MIDI (the editor); at the next block's start.
    void press(int pad, float velocity);
    void let_go(int pad);

    // Audio thread. `outputs` are left and right of each stereo output; null where the host has none (then the first
    // takes its part). Events are in the order of their frames.
    void process(const Event* events, int count, const Transport& time, float* const* outputs, int frames) noexcept;

private:
    struct Waiting {
        bool is = false;
        int note = 0;
        float velocity = 1;
        double due = 0;
    };
    struct Heard {   // the level of a pad as it is, and where it goes
        float gain = 1e9f, pan = 0;   // what the target was made from
        float to_left = 1, to_right = 1;
        Ramp now;
        int left = 0;                 // frames of the ramp
        int pair = 0;
        bool dip = false;             // silent on the way to another output
        float tune = 0;
    };

    void adopt();
    void refresh(int pad);
    void run(const Event& event, const Transport& time);
    void hit(int pad, int note, float velocity, int frame, const Transport& time);
    void start(int pad, int note, float velocity);
    void stop(int pad, int note);
    void fade_all(int frames);
    void launch(int frame);
    void render(float* const* outputs, int at, int count);
    void render_pad(int pad, float* const* outputs, int at, int count);
    void aim(int pad, int frames);
    void tell();
    double speed(int pad, int note, const Fitted& clip) const;
    Span span_of(int pad, const Fitted& clip) const;
    int milliseconds(double ms) const;
    Voice* oldest(int pad);
    int count(int pad) const;
    void retire(Fitted* clip);
    void let(Fitted* clip);
    Fitted* take(Fitted* clip);
    bool heard(int pad) const;

    double rate_ = 48000.0;
    int smooth_ = 144;   // frames of 3 ms
    std::array<std::atomic<Fitted*>, pad_count> incoming_{};
    std::atomic<Fitted*> retired_{nullptr};
    std::array<std::atomic<float>, pad_count> presses_{};   // velocity, and 2 more where released again; 0: none, -1: release
    std::array<Fitted*, pad_count> clips_{};
    std::array<Waiting, pad_count> waiting_{};
    std::array<Heard, pad_count> heard_{};
    std::array<Voice, 2 * polyphony> voices_{};
    std::array<int, pad_count> sounding_{};   // voices that are not free
    std::uint64_t order_ = 0;
    float master_ = 1e9f, master_now_ = 1, master_to_ = 1;
};

}  // namespace foleyd

#include "engine.h"

#include <algorithm>
#include <cmath>

namespace foleyd {

namespace {

float amplitude(float db) { return db <= -60.0f ? 0.0f : std::pow(10.0f, db / 20.0f); }

bool loops(Mode mode) { return mode == Mode::loop || mode == Mode::toggle; }

}  // namespace

Engine::~Engine() {
    for (auto& clip : incoming_) delete clip.load();
    for (auto& voice : voices_) {
        let(voice.clip);
        let(voice.next);
    }
    for (auto* clip : clips_) let(clip);
    collect();
}

void Engine::prepare(double rate) {
    rate_ = rate > 0 ? rate : 48000.0;
    smooth_ = std::max(8, static_cast<int>(0.003 * rate_));
    for (auto& voice : voices_) {
        let(voice.clip);
        let(voice.next);
        voice = Voice{};
    }
    waiting_.fill({});
    sounding_.fill(0);
    for (int pad = 0; pad < pad_count; ++pad) refresh(pad);
    master_ = 1e9f;
    tell();
}

void Engine::put(int pad, std::unique_ptr<Fitted> clip) {
    if (!clip) clip = std::make_unique<Fitted>();
    delete incoming_[static_cast<std::size_t>(pad)].exchange(clip.release(), std::memory_order_acq_rel);
}

std::size_t Engine::collect() {
    std::size_t freed = 0;
    for (Fitted* clip = retired_.exchange(nullptr, std::memory_order_acquire); clip != nullptr; ++freed) {
        Fitted* following = clip->next;
        delete clip;
        clip = following;
    }
    return freed;
}

void Engine::press(int pad, float velocity) {
    presses_[static_cast<std::size_t>(pad)].store(std::clamp(velocity, 0.01f, 1.0f));
}

void Engine::let_go(int pad) {
    auto& press = presses_[static_cast<std::size_t>(pad)];
    float seen = press.load();
    // a press that no block has seen yet becomes a press and a release
    while (!press.compare_exchange_weak(seen, seen > 0.0f && seen <= 1.0f ? seen + 2.0f : -1.0f)) {
    }
}

void Engine::retire(Fitted* clip) {
    clip->next = retired_.load(std::memory_order_relaxed);
    while (!retired_.compare_exchange_weak(clip->next, clip, std::memory_order_release, std::memory_order_relaxed)) {
    }
}

Fitted* Engine::take(Fitted* clip) {
    if (clip != nullptr) ++clip->users;
    return clip;
}

void Engine::let(Fitted* clip) {
    if (clip != nullptr && --clip->users == 0) retire(clip);
}

int Engine::milliseconds(double ms) const { return static_cast<int>(ms * rate_ / 1000.0); }

bool Engine::heard(int pad) const { return sounding_[static_cast<std::size_t>(pad)] > 0; }

int Engine::count(int pad) const {
    int found = 0;
    for (const auto& voice : voices_) found += voice.state == Voice::State::sounding && (pad < 0 || voice.pad == pad);
    return found;
}

Voice* Engine::oldest(int pad) {
    Voice* found = nullptr;
    for (auto& voice : voices_)
        if (voice.state == Voice::State::sounding && (pad < 0 || voice.pad == pad))
            if (found == nullptr || voice.order < found->order) found = &voice;
    return found;
}

double Engine::speed(int pad, int note, const Fitted& clip) const {
    double semitones = pads[static_cast<std::size_t>(pad)].get(Field::tune);
    if (pitched.load(std::memory_order_relaxed) == pad) semitones += note - root.load(std::memory_order_relaxed);
    const double ratio = clip.rate / rate_;
    return semitones == 0.0 ? ratio : ratio * std::exp2(semitones / 12.0);
}

Span Engine::span_of(int pad, const Fitted& clip) const {
    const auto& set = pads[static_cast<std::size_t>(pad)];
    return foleyd::span_of(clip.frames, set.get(Field::start), set.get(Field::end), set.get(Field::loop_start),
                           set.get(Field::loop_end));
}

// Clips that came since the last block.
void Engine::adopt() {
    for (std::size_t pad = 0; pad < pad_count; ++pad) {
        if (incoming_[pad].load(std::memory_order_relaxed) == nullptr) continue;
        Fitted* clip = take(incoming_[pad].exchange(nullptr, std::memory_order_acq_rel));
        let(clips_[pad]);
        clips_[pad] = clip;
        if (clip->frames == 0) continue;
        for (auto& voice : voices_) {
            if (voice.state != Voice::State::sounding || !voice.loop || voice.pad != static_cast<int>(pad)) continue;
            let(voice.next);
            voice.next = take(clip);
            voice.next_span = span_of(voice.pad, *clip);
            voice.next_increment = speed(voice.pad, voice.note, *clip);
        }
    }
}

// Settings that changed: levels go to their new place in a ramp, speeds at once, which no waveform steps at.
void Engine::refresh(int pad) {
    const auto& set = pads[static_cast<std::size_t>(pad)];
    auto& level = heard_[static_cast<std::size_t>(pad)];
    const float gain = set.whole(Field::mute) != 0 ? -60.0f : set.get(Field::gain), pan = set.get(Field::pan);
    const int pair = set.whole(Field::output) - 1;
    if (gain != level.gain || pan != level.pan) {
        level.gain = gain;
        level.pan = pan;
        const float loud = amplitude(gain);
        level.to_left = loud * std::min(1.0f, 1.0f - pan);
        level.to_right = loud * std::min(1.0f, 1.0f + pan);
        if (!level.dip) aim(pad, smooth_);
    }
    if (!heard(pad)) {
        level.now = {level.to_left, level.to_right, 0, 0};
        level.left = 0;
        level.dip = false;
        level.pair = pair;
    } else if (pair != level.pair && !level.dip) {
        level.dip = true;
        aim(pad, smooth_);
    }
    const float tune = set.get(Field::tune);
    if (tune != level.tune) {
        level.tune = tune;
        for (auto& voice : voices_) {
            if (voice.free() || voice.pad != pad) continue;
            voice.increment = speed(pad, voice.note, *voice.clip);
            if (voice.next != nullptr) voice.next_increment = speed(pad, voice.note, *voice.next);
        }
    }
    for (auto& voice : voices_) {
        if (voice.free() || !voice.loop || voice.pad != pad) continue;
        voice.loop = loops(set.mode());   // else it plays to its end
        const Span span = span_of(pad, *voice.clip);
        voice.span.loop_start = span.loop_start;
        voice.span.loop_end = span.loop_end;
    }
}

void Engine::aim(int pad, int frames) {
    auto& level = heard_[static_cast<std::size_t>(pad)];
    const float left = level.dip ? 0.0f : level.to_left, right = level.dip ? 0.0f : level.to_right;
    level.left = frames;
    level.now.step_left = (left - level.now.left) / static_cast<float>(frames);
    level.now.step_right = (right - level.now.right) / static_cast<float>(frames);
}

void Engine::run(const Event& event, const Transport& time) {
    switch (event.kind) {
        case Event::Kind::all_off:
            waiting_.fill({});
            for (int pad = 0; pad < pad_count; ++pad)
                for (auto& voice : voices_)
                    if (voice.state == Voice::State::sounding && voice.pad == pad) voice.fade(voice.release);
            return;
        case Event::Kind::silence:
            fade_all(smooth_);
            return;
        case Event::Kind::on:
        case Event::Kind::off:
            break;
    }
    const int alone = pitched.load(std::memory_order_relaxed);
    const int pad = alone >= 0 && alone < pad_count ? alone : event.note - first_note;
    if (pad < 0 || pad >= pad_count) return;
    if (event.kind == Event::Kind::on && event.velocity > 0.0f)
        hit(pad, event.note, std::min(event.velocity, 1.0f), event.frame, time);
    else
        stop(pad, event.note);
}

void Engine::fade_all(int frames) {
    waiting_.fill({});
    for (auto& voice : voices_) voice.fade(frames);
}

void Engine::hit(int pad, int note, float velocity, int frame, const Transport& time) {
    const double due = next_quantum(time, pads[static_cast<std::size_t>(pad)].quantum(), frame, rate_);
    if (due > frame) {
        waiting_[static_cast<std::size_t>(pad)] = {true, note, velocity, due};
    } else {
        start(pad, note, velocity);
    }
}

void Engine::start(int pad, int note, float velocity) {
    const auto& set = pads[static_cast<std::size_t>(pad)];
    Fitted* clip = clips_[static_cast<std::size_t>(pad)];
    const Mode mode = set.mode();
    if (mode == Mode::toggle && count(pad) > 0) {
        while (Voice* voice = oldest(pad)) voice->fade(voice->release);
        return;
    }
    if (clip == nullptr || clip->frames == 0) return;
    if (const int group = set.whole(Field::choke); group != 0)
        for (auto& voice : voices_)
            if (!voice.free() && voice.pad != pad && pads[static_cast<std::size_t>(voice.pad)].whole(Field::choke) == group)
                voice.fade(smooth_);
    const int most = loops(mode) ? 1 : set.whole(Field::voices);
    while (count(pad) >= most) oldest(pad)->fade(smooth_);
    while (count(-1) >= polyphony) oldest(-1)->fade(smooth_);
    auto free = std::find_if(voices_.begin(), voices_.end(), [](const Voice& voice) { return voice.free(); });
    if (free == voices_.end()) {   // as many fade as may sound: rather no note than a click
        dropped.fetch_add(1, std::memory_order_relaxed);
        return;
    }
    free->pad = pad;
    free->note = note;
    free->order = order_++;
    free->held = true;
    free->loop = loops(mode);
    free->release = std::max(8, milliseconds(set.get(Field::release)));
    if (!heard(pad)) refresh(pad);
    free->begin(take(clip), span_of(pad, *clip), speed(pad, note, *clip), velocity, milliseconds(set.get(Field::attack)), smooth_);
    ++sounding_[static_cast<std::size_t>(pad)];
}

void Engine::stop(int pad, int note) {
    auto& waiting = waiting_[static_cast<std::size_t>(pad)];
    const Mode mode = pads[static_cast<std::size_t>(pad)].mode();
    const bool ends = mode == Mode::gate || mode == Mode::loop;
    if (waiting.is && waiting.note == note && ends) waiting.is = false;
    for (auto& voice : voices_) {
        if (voice.state != Voice::State::sounding || voice.pad != pad || voice.note != note || !voice.held) continue;
        voice.held = false;
        if (ends) voice.fade(voice.release);
    }
}

void Engine::launch(int frame) {
    for (std::size_t pad = 0; pad < pad_count; ++pad) {
        auto& waiting = waiting_[pad];
        if (!waiting.is || waiting.due > frame) continue;
        waiting.is = false;
        start(static_cast<int>(pad), waiting.note, waiting.velocity);
    }
}

void Engine::process(const Event* events, int total, const Transport& time, float* const* outputs,
                     int frames) noexcept {
    bpm.store(time.bpm, std::memory_order_relaxed);
    beats.store(time.beats, std::memory_order_relaxed);
    beat_type.store(time.beat_type, std::memory_order_relaxed);
    for (int side = 0; side < 2 * output_count; ++side)
        if (outputs[side] != nullptr) std::fill_n(outputs[side], frames, 0.0f);
    if (frames <= 0) return;
    adopt();
    for (int pad = 0; pad < pad_count; ++pad) {
        auto& waiting = waiting_[static_cast<std::size_t>(pad)];
        // anew in each block: tempo and position may have jumped
        if (waiting.is) waiting.due = next_quantum(time, pads[static_cast<std::size_t>(pad)].quantum(), 0.0, rate_);
        if (heard(pad)) refresh(pad);
        const float pressed = presses_[static_cast<std::size_t>(pad)].exchange(0.0f, std::memory_order_relaxed);
        if (pressed == 0.0f) continue;
        const int note = pitched.load() == pad ? root.load() : first_note + pad;
        if (pressed > 0.0f) hit(pad, note, pressed > 1.0f ? pressed - 2.0f : pressed, 0, time);
        if (pressed < 0.0f || pressed > 1.0f) stop(pad, note);
    }
    int at = 0, taken = 0;
    while (at < frames) {
        for (; taken < total && (events[taken].frame <= at); ++taken) {
            Event event = events[taken];
            event.frame = std::max(event.frame, 0);
            run(event, time);
        }
        launch(at);
        int end = frames;
        if (taken < total) end = std::min(end, events[taken].frame);
        for (const auto& waiting : waiting_)
            if (waiting.is && waiting.due < end) end = std::max(at + 1, static_cast<int>(waiting.due));
        render(outputs, at, end - at);
        at = end;
    }
    for (; taken < total; ++taken) run(events[taken], time);   // a host that places events behind its block
    const float wanted = master.load(std::memory_order_relaxed);
    if (wanted != master_) {
        const bool first = master_ > 1e8f;
        master_ = wanted;
        master_to_ = amplitude(wanted);
        if (first) master_now_ = master_to_;
    }
    const float most = 1.0f / static_cast<float>(smooth_);   // from silence to full level in so many frames
    for (int frame = 0; frame < frames && (master_now_ != 1.0f || master_to_ != 1.0f); ++frame) {
        master_now_ += std::clamp(master_to_ - master_now_, -most, most);
        for (int side = 0; side < 2 * output_count; ++side)
            if (outputs[side] != nullptr) outputs[side][frame] *= master_now_;
    }
    for (std::size_t pair = 0; pair < output_count; ++pair) {
        float high = peak[pair].load(std::memory_order_relaxed);
        for (std::size_t side = 2 * pair; side < 2 * pair + 2; ++side)
            for (int frame = 0; outputs[side] != nullptr && frame < frames; ++frame)
                high = std::max(high, std::abs(outputs[side][frame]));
        peak[pair].store(high, std::memory_order_relaxed);
    }
    tell();
    blocks.fetch_add(1, std::memory_order_release);
}

void Engine::render(float* const* outputs, int at, int count) {
    for (int pad = 0; pad < pad_count; ++pad)
        if (heard(pad)) render_pad(pad, outputs, at, count);
}

void Engine::render_pad(int pad, float* const* outputs, int at, int count) {
    auto& level = heard_[static_cast<std::size_t>(pad)];
    while (count > 0) {
        const int part = level.left > 0 ? std::min(count, level.left) : count;
        Ramp ramp = level.now;
        if (level.left == 0) ramp.step_left = ramp.step_right = 0.0f;
        std::size_t pair = static_cast<std::size_t>(level.pair);
        if (outputs[2 * pair] == nullptr || outputs[2 * pair + 1] == nullptr) pair = 0;
        float* left = outputs[2 * pair];
        float* right = outputs[2 * pair + 1] != nullptr ? outputs[2 * pair + 1] : left;
        for (auto& voice : voices_) {
            if (voice.free() || voice.pad != pad || left == nullptr) continue;
            let(voice.add(left + at, right + at, part, ramp));
            if (!voice.free()) continue;
            let(voice.clip);
            let(voice.next);
            voice.clip = voice.next = nullptr;
            --sounding_[static_cast<std::size_t>(pad)];
        }
        if (level.left > 0) {
            level.now.left += level.now.step_left * static_cast<float>(part);
            level.now.right += level.now.step_right * static_cast<float>(part);
            level.left -= part;
            if (level.left == 0 && level.dip) {   // silent: now the other output, and up again
                level.dip = false;
                level.pair = pads[static_cast<std::size_t>(pad)].whole(Field::output) - 1;
                level.now = {};
                level.now.left = level.now.right = 0.0f;
                aim(pad, smooth_);
            } else if (level.left == 0) {
                level.now = {level.to_left, level.to_right, 0, 0};
            }
        }
        at += part;
        count -= part;
    }
}

void Engine::tell() {
    std::array<const Voice*, pad_count> newest{};
    for (const auto& voice : voices_) {
        auto& one = newest[static_cast<std::size_t>(voice.pad)];
        if (voice.state == Voice::State::sounding && (one == nullptr || voice.order > one->order)) one = &voice;
    }
    for (std::size_t pad = 0; pad < pad_count; ++pad) {
        playing[pad].store(sounding_[pad], std::memory_order_relaxed);
        const Voice* voice = newest[pad];
        place[pad].store(voice ? static_cast<float>(voice->position / voice->clip->frames) : -1.0f,
                         std::memory_order_relaxed);
    }
}

}  // namespace foleyd

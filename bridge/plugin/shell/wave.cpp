#include "wave.h"

#include "colours.h"

namespace foleyd {

Wave::Wave(Board& board) : board_(board) {
    setWantsKeyboardFocus(true);
    setTitle("Start and end of the clip");
    setTooltip("Drag the start or the end; left and right move the one that was touched last, tab goes on.");
}

void Wave::show(int pad, SoundPtr sound) {
    pad_ = pad;
    sound_ = std::move(sound);
    shape();
    repaint();
}

void Wave::shape() {
    peaks_.assign(static_cast<std::size_t>(std::max(getWidth(), 0)), 0.0f);
    if (!sound_) return;
    const auto frames = sound_->left.size(), width = peaks_.size();
    for (std::size_t x = 0; x < width; ++x)
        for (std::size_t k = frames * x / width; k < frames * (x + 1) / width; ++k)
            peaks_[x] = std::max(peaks_[x], std::abs(sound_->left[k]));
}

void Wave::paint(juce::Graphics& g) {
    g.fillAll(raised);
    const float middle = static_cast<float>(getHeight()) / 2;
    auto& settings = board_.engine.pads[static_cast<std::size_t>(pad_)];
    const float start = settings.get(Field::start) * static_cast<float>(getWidth());
    const float end = settings.get(Field::end) * static_cast<float>(getWidth());
    for (std::size_t x = 0; x < peaks_.size(); ++x) {
        const float at = static_cast<float>(x), tall = std::max(0.5f, peaks_[x] * middle);
        g.setColour(at >= start && at <= end ? warm : juce::Colours::grey.withAlpha(0.5f));
        if (sound_) g.drawVerticalLine(static_cast<int>(x), middle - tall, middle + tall);
    }
    if (!sound_) {
        g.setColour(bright);
        g.drawText("The pad is empty: say what to hear, and generate.", getLocalBounds(), juce::Justification::centred);
    }
    g.setColour(bright);
    for (const float at : {start, end}) g.fillRect(juce::Rectangle<float>(at - 1.5f, 0, 3, static_cast<float>(getHeight())));
    if (hasKeyboardFocus(false)) g.drawRect(getLocalBounds(), 2);
}

void Wave::mouseDown(const juce::MouseEvent& event) {
    auto& settings = board_.engine.pads[static_cast<std::size_t>(pad_)];
    const float here = static_cast<float>(event.x) / static_cast<float>(std::max(1, getWidth()));
    held_ = std::abs(here - settings.get(Field::start)) <= std::abs(here - settings.get(Field::end)) ? Field::start : Field::end;
    move(here);
}

void Wave::mouseDrag(const juce::MouseEvent& event) { move(static_cast<float>(event.x) / static_cast<float>(std::max(1, getWidth()))); }

bool Wave::keyPressed(const juce::KeyPress& key) {
    const float step = key == juce::KeyPress::leftKey ? -0.005f : key == juce::KeyPress::rightKey ? 0.005f : 0.0f;
    if (step == 0.0f) return false;
    move(board_.engine.pads[static_cast<std::size_t>(pad_)].get(held_) + step);
    return true;
}

void Wave::move(float share) {
    auto& settings = board_.engine.pads[static_cast<std::size_t>(pad_)];
    if (held_ == Field::start) share = std::min(share, settings.get(Field::end) - 0.001f);
    else share = std::max(share, settings.get(Field::start) + 0.001f);
    board_.set(pad_, held_, share);
    repaint();
}

}  // namespace foleyd

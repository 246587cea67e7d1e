// The clip on the chosen pad, as a picture that is taken hold of.
#pragma once

#include <juce_gui_basics/juce_gui_basics.h>

#include "board.h"

namespace foleyd {

// The clip's shape with handles for its start and end; arrow keys move the one that was touched last.
class Wave final : public juce::Component, public juce::SettableTooltipClient {
public:
    explicit Wave(Board& board);
    void show(int pad, SoundPtr sound);
    void paint(juce::Graphics& g) override;
    void resized() override { shape(); }
    void mouseDown(const juce::MouseEvent& event) override;
    void mouseDrag(const juce::MouseEvent& event) override;
    bool keyPressed(const juce::KeyPress& key) override;

private:
    void move(float share);
    void shape();
    Board& board_;
    int pad_ = 0;
    SoundPtr sound_;
    Field held_ = Field::start;
    std::vector<float> peaks_;
};

}  // namespace foleyd

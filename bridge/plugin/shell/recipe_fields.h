// What is asked for: a pad's words, and the numbers that go with them.
#pragma once

#include <juce_gui_basics/juce_gui_basics.h>

#include "board.h"

namespace foleyd {

// Opens a list: fonts need not have its arrow.
class OpenButton final : public juce::TextButton {
    void paintButton(juce::Graphics& g, bool over, bool down) override;
};

class RecipeFields final : public juce::Component, private juce::KeyListener {
public:
    // `ask` follows the return key in a field.
    RecipeFields(Board& board, std::function<void()> ask);
    void resized() override;
    void show(int pad);   // what the fields say that was not stored is lost
    void store();         // into the recipe of the pad that is shown
    void refresh();       // a recipe that came from elsewhere; some times a second
    juce::String length_in_words() const;

private:
    using juce::Component::keyPressed;
    bool keyPressed(const juce::KeyPress& key, juce::Component* field) override;
    void offer_models();

    Board& board_;
    int pad_ = 0;
    unsigned recipes_ = 0;
    juce::TextEditor prompt_, negative_, model_, seconds_, bars_, seed_, steps_, guidance_;
    juce::TextButton dice_{"Dice"};
    OpenButton models_;
    juce::ToggleButton lock_{"Lock"};
    juce::OwnedArray<juce::Label> names_;
};

}  // namespace foleyd

// The window: words in, candidates to pick from, pads to play.
#pragma once

#include <juce_gui_basics/juce_gui_basics.h>

#include "browser.h"
#include "processor.h"
#include "recipe_fields.h"
#include "wave.h"

namespace foleyd {

class Editor final : public juce::AudioProcessorEditor, public juce::FileDragAndDropTarget, public juce::DragAndDropContainer,
                     private juce::Timer {
public:
    explicit Editor(Processor& processor);
    ~Editor() override;
    void paint(juce::Graphics& g) override;
    void resized() override;
    void setScaleFactor(float hosts) override;
    bool keyPressed(const juce::KeyPress& key) override;
    bool isInterestedInFileDrag(const juce::StringArray&) override { return true; }
    void fileDragMove(const juce::StringArray&, int x, int y) override { aim(pad_at(x, y)); }
    void fileDragExit(const juce::StringArray&) override { aim(-1); }
    void filesDropped(const juce::StringArray& files, int x, int y) override;
    // Of all parts. Away from pads and takes is out of the window, as a file.
    void mouseDown(const juce::MouseEvent& event) override;
    void mouseDrag(const juce::MouseEvent& event) override;
    void mouseUp(const juce::MouseEvent&) override { dragging_ = false; }

private:
    int pad_at(int x, int y) const;   // of the page; the chosen one elsewhere
    void aim(int pad);
    void timerCallback() override;
    void choose(int pad);
    void zoom(int percent);
    void step_zoom(int steps);
    void keep_focus();
    void ask();
    void page(int number);
    void set(Field field, float value);
    void show_reworks();
    bool holds(juce::Button& button, int pad);
    void let_go();

    Board& board_;
    Shelf& shelf_;
    int pad_ = 0, page_ = 0;
    int aimed_ = -1;           // the pad that files would fall on
    float hosts_scale_ = 1.0f;
    juce::Component::SafePointer<juce::TextEditor> clicked_;
    int patience_ = 0;         // looks that are left at whether it has the focus
    bool dragging_ = false;    // a file is on its way out
    juce::Button* holder_ = nullptr;   // the button that holds a pad, and which
    int pressed_ = 0;
    unsigned version_ = ~0u;
    juce::Label light_, told_;
    juce::TextButton start_{"Start foleyd"}, generate_{"Generate"}, cancel_{"Cancel"}, undo_{"Undo"}, redo_{"Redo"};
    juce::OwnedArray<juce::TextButton> reworks_;
    juce::ToggleButton tempo_words_{"Prompt uses host BPM"}, references_{"Session keeps references only"};
    RecipeFields fields_;
    juce::OwnedArray<juce::TextButton> candidates_, pages_, pads_;
    juce::ComboBox mode_, quantise_, zoom_;
    juce::OwnedArray<juce::Slider> sliders_;
    juce::ToggleButton keyboard_{"Play this pad over the keyboard"};
    juce::Slider root_, master_;
    Wave wave_;
    Browser browser_;
    juce::TooltipWindow tips_{this};
};

}  // namespace foleyd

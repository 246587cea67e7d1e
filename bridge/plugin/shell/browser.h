// The panel beside the pads: banks of presets, and the daemon's library.
#pragma once

#include <juce_gui_basics/juce_gui_basics.h>

#include "shelf.h"

namespace foleyd {

class Browser final : public juce::Component, private juce::ListBoxModel {
public:
    // `store` brings the editor's own fields into the pad before it is saved, and `generate` asks for its sound.
    Browser(Board& board, Shelf& shelf, std::function<void()> store, std::function<void()> generate);
    void resized() override;
    void paint(juce::Graphics& g) override;
    void refresh();   // what has come since; some times a second

private:
    enum class Kind { presets, library };
    struct Row {
        std::size_t bank = 0;
        int preset = -1;   // none: the bank's own line
    };

    int getNumRows() override;
    void paintListBoxItem(int row, juce::Graphics& g, int width, int height, bool selected) override;
    juce::String getNameForRow(int row) override;
    juce::String getTooltipForRow(int row) override;
    void listBoxItemDoubleClicked(int, const juce::MouseEvent&) override { load(true); }
    void returnKeyPressed(int) override { load(true); }
    void selectedRowsChanged(int) override { enable(); }

    void show(Kind kind);
    void look();
    void sift();
    void load(bool sound);
    void save();
    void copy();
    void file_under();
    void enable();
    void say(const juce::String& sentence, bool failed);
    const FoundBank* bank_of(int row) const;
    const Preset* preset_of(int row) const;
    std::pair<juce::String, juce::String> lines_of(int row) const;

    Board& board_;
    Shelf& shelf_;
    const std::function<void()> store_, generate_;
    Kind kind_ = Kind::presets;
    ShelfView shelved_;
    LibraryView library_;
    std::vector<Row> rows_;
    bool searched_ = false;
    juce::TextButton presets_{"Presets"}, clips_{"Library"}, load_{"Load"}, play_{"Load and generate"}, save_{"Save pad"},
        copy_{"Copy to folder..."};
    juce::TextEditor words_, bank_, name_, category_;
    juce::ToggleButton replace_{"Replace"};
    juce::ListBox list_;
    juce::Label said_;
    std::unique_ptr<juce::FileChooser> chooser_;
};

}  // namespace foleyd

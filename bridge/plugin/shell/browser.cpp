#include "browser.h"

#include "clip_name.h"
#include "colours.h"

namespace foleyd {
namespace {

constexpr int gap = 4;

// All words of what was typed are in the text, whatever their case.
bool matches(const juce::String& text, const juce::String& typed) {
    for (const auto& word : juce::StringArray::fromTokens(typed, false))
        if (!text.containsIgnoreCase(word)) return false;
    return true;
}

}  // namespace

Browser::Browser(Board& board, Shelf& shelf, std::function<void()> store, std::function<void()> generate)
    : board_(board), shelf_(shelf), store_(std::move(store)), generate_(std::move(generate)) {
    const auto add = [this](juce::Component& part, const juce::String& title) {
        part.setTitle(title);
        addAndMakeVisible(part);
    };
    add(presets_, "Presets");
    presets_.onClick = [this] { show(Kind::presets); };
    add(clips_, "Library");
    clips_.onClick = [this] { show(Kind::library); };
    add(words_, "Search");
    words_.onTextChange = [this] { if (kind_ == Kind::presets) sift(); };
    words_.onReturnKey = [this] { look(); };
    words_.setInputRestrictions(200);
    add(list_, "Results");
    list_.setModel(this);
    list_.setColour(juce::ListBox::backgroundColourId, raised);
    add(load_, "Load on the pad");
    load_.setTooltip("Onto the chosen pad; Ctrl-Z takes it back.");
    load_.onClick = [this] { load(false); };
    add(play_, "Load and generate");
    play_.setTooltip("The same, and asks for its sound (double click, or return).");
    play_.onClick = [this] { load(true); };
    const struct { juce::TextEditor& field; const char* title; const char* hint; } fields[] = {
        {bank_, "Bank", "bank, such as mine"}, {name_, "Name of the preset", "name of the preset"}};
    for (const auto& [field, title, hint] : fields) {
        add(field, title);
        field.setTextToShowWhenEmpty(hint, juce::Colours::grey);
        field.onReturnKey = [this] { save(); };
    }
    bank_.setInputRestrictions(40, "abcdefghijklmnopqrstuvwxyz0123456789-_");
    name_.setInputRestrictions(80);
    add(save_, "Save the pad as a preset");
    save_.setTooltip("The pad's words, its seed and how it plays, into a bank of yours.");
    save_.onClick = [this] { save(); };
    add(replace_, "Replace a preset of that name");
    add(category_, "Category of the Universal Category System");
    category_.setTextToShowWhenEmpty("UCS category", juce::Colours::grey);
    category_.setTooltip("Names of files begin with the CatID of the Universal Category System, where the pad has one.");
    category_.setInputRestrictions(12, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
    category_.onReturnKey = category_.onFocusLost = [this] { file_under(); };
    add(copy_, "Copy the pad's clip to a folder");
    copy_.onClick = [this] { copy(); };
    add(said_, "What came of it");
    said_.setJustificationType(juce::Justification::topLeft);
    said_.setMinimumHorizontalScale(1.0f);
    show(Kind::presets);
    shelf_.read_banks();
}

void Browser::paint(juce::Graphics& g) {
    g.setColour(raised.darker(0.2f));
    g.fillRoundedRectangle(getLocalBounds().toFloat(), 4);
}

void Browser::resized() {
    auto area = getLocalBounds().reduced(8);
    const int row = juce::jlimit(26, 40, getHeight() / 22);
    const auto line = [&](bool bottom) {
        auto taken = bottom ? area.removeFromBottom(row) : area.removeFromTop(row);
        bottom ? area.removeFromBottom(gap) : area.removeFromTop(gap);
        return taken;
    };
    const auto halves = [&](juce::Rectangle<int> here, juce::Component& left, juce::Component& right) {
        left.setBounds(here.removeFromLeft(here.getWidth() / 2).reduced(1, 0));
        right.setBounds(here.reduced(1, 0));
    };
    halves(line(false), presets_, clips_);
    words_.setBounds(line(false));
    said_.setBounds(area.removeFromBottom(row * 2));
    halves(line(true), category_, copy_);
    if (kind_ == Kind::presets) {
        halves(line(true), save_, replace_);
        halves(line(true), bank_, name_);
    }
    auto acts = line(true);
    if (kind_ == Kind::presets) {
        load_.setBounds(acts.removeFromLeft(acts.getWidth() / 3).reduced(1, 0));
        play_.setBounds(acts.reduced(1, 0));
    } else {
        load_.setBounds(acts.reduced(1, 0));
    }
    list_.setRowHeight(row + row / 2);
    list_.setBounds(area);
}

void Browser::show(Kind kind) {
    kind_ = kind;
    const bool presets = kind == Kind::presets;
    presets_.setToggleState(presets, juce::dontSendNotification);
    clips_.setToggleState(!presets, juce::dontSendNotification);
    for (juce::Component* part : {static_cast<juce::Component*>(&play_), static_cast<juce::Component*>(&bank_),
                                  static_cast<juce::Component*>(&name_), static_cast<juce::Component*>(&save_),
                                  static_cast<juce::Component*>(&replace_)})
        part->setVisible(presets);
    words_.setTextToShowWhenEmpty(presets ? "Search presets" : "Search the library, then return", juce::Colours::grey);
    words_.repaint();
    resized();
    look();
}

// The banks are read, the library asked.
void Browser::look() {
    if (kind_ == Kind::presets) {
        shelf_.read_banks();
        sift();
        return;
    }
    searched_ = true;
    board_.search(words_.getText().toStdString());
    list_.updateContent();
    list_.repaint();
}

void Browser::sift() {
    rows_.clear();
    if (shelved_.banks)
        for (std::size_t bank = 0; bank < shelved_.banks->size(); ++bank) {
            const auto& found = (*shelved_.banks)[bank];
            const auto of_bank = text(found.bank.name + " " + found.bank.title);
            const auto place = rows_.size();
            for (std::size_t k = 0; k < found.bank.presets.size(); ++k) {
                const auto& one = found.bank.presets[k];
                auto words = of_bank + " " + text(one.name + " " + one.about + " " + one.prompt());
                for (const auto& tag : one.tags) words << " " << text(tag);
                if (matches(words, words_.getText())) rows_.push_back({bank, static_cast<int>(k)});
            }
            if (rows_.size() > place || (matches(of_bank, words_.getText())))
                rows_.insert(rows_.begin() + static_cast<std::ptrdiff_t>(place), Row{bank, -1});
        }
    list_.updateContent();
    list_.repaint();
    enable();
}

void Browser::refresh() {
    auto shelved = shelf_.view();
    if (shelved.version != shelved_.version) {
        const bool other = shelved.banks != shelved_.banks;
        if (shelved.said != shelved_.said || shelved.failed != shelved_.failed) say(text(shelved.said), shelved.failed);
        shelved_ = std::move(shelved);
        if (other && kind_ == Kind::presets) sift();
    }
    auto found = board_.library();
    if (found.version != library_.version || found.under_way != library_.under_way) {
        library_ = std::move(found);
        if (kind_ == Kind::library && searched_) {
            if (!library_.failure.empty()) say(text(library_.failure), true);
            else if (library_.under_way) say("Searching.", false);
            else say(juce::String(library_.total) + (library_.total == 1 ? " clip" : " clips") +
                         (library_.total > static_cast<int>(library_.rows.size()) ? ", the first " + juce::String(library_.rows.size()) + " shown" : juce::String()),
                     false);
        }
        list_.updateContent();
        list_.repaint();
    }
    enable();
}

void Browser::enable() {
    const int row = list_.getSelectedRow();
    const bool there = kind_ == Kind::presets ? preset_of(row) != nullptr : row >= 0 && row < getNumRows();
    load_.setEnabled(there);
    play_.setEnabled(there);
    const auto pad = board_.view(board_.chosen);
    copy_.setEnabled(pad.sound != nullptr);
    if (!category_.hasKeyboardFocus(true) && category_.getText() != text(pad.category)) category_.setText(text(pad.category), false);
}

void Browser::say(const juce::String& sentence, bool failed) {
    said_.setText(sentence, juce::dontSendNotification);
    said_.setTooltip(sentence);
    said_.setColour(juce::Label::textColourId, failed ? alarm.brighter(0.3f) : bright);
}

const FoundBank* Browser::bank_of(int row) const {
    if (row < 0 || row >= static_cast<int>(rows_.size()) || !shelved_.banks) return nullptr;
    return &(*shelved_.banks)[rows_[static_cast<std::size_t>(row)].bank];
}

const Preset* Browser::preset_of(int row) const {
    const auto* found = bank_of(row);
    if (found == nullptr || rows_[static_cast<std::size_t>(row)].preset < 0) return nullptr;
    return &found->bank.presets[static_cast<std::size_t>(rows_[static_cast<std::size_t>(row)].preset)];
}

int Browser::getNumRows() { return static_cast<int>(kind_ == Kind::presets ? rows_.size() : library_.rows.size()); }

std::pair<juce::String, juce::String> Browser::lines_of(int row) const {
    if (kind_ == Kind::library) {
        if (row < 0 || row >= static_cast<int>(library_.rows.size())) return {};
        const auto& clip = library_.rows[static_cast<std::size_t>(row)];
        auto second = juce::String(clip.seconds, 2) + " s";
        if (clip.prompt != clip.name && !clip.prompt.empty()) second << ", " << text(clip.prompt);
        return {text(clip.name.empty() ? clip.id : clip.name), second};
    }
    if (const auto* preset = preset_of(row)) return {text(preset->name), text(preset->prompt())};
    const auto* found = bank_of(row);
    if (found == nullptr) return {};
    if (!found->problem.empty()) return {text(found->bank.name), text(found->problem)};
    return {text(found->bank.title), text(found->bank.name) + (found->bank.users ? ", yours" : ", ships with foleyd")};
}

juce::String Browser::getNameForRow(int row) {
    const auto [first, second] = lines_of(row);
    return first + ", " + second;
}

juce::String Browser::getTooltipForRow(int row) { return lines_of(row).second; }

void Browser::paintListBoxItem(int row, juce::Graphics& g, int width, int height, bool selected) {
    const auto [first, second] = lines_of(row);
    const bool head = kind_ == Kind::presets && preset_of(row) == nullptr;
    const auto* found = kind_ == Kind::presets ? bank_of(row) : nullptr;
    if (selected) g.fillAll(warm.withAlpha(0.35f));
    const int left = head || kind_ == Kind::library ? 6 : 16, half = height / 2;
    g.setColour(head ? warm : bright);
    g.setFont(juce::Font(15.0f, head ? juce::Font::bold : juce::Font::plain));
    g.drawText(first, left, 0, width - left - 4, half, juce::Justification::bottomLeft, true);
    g.setColour(found != nullptr && !found->problem.empty() ? alarm.brighter(0.3f) : dim);
    g.setFont(juce::Font(13.0f));
    g.drawText(second, left, half, width - left - 4, height - half - 2, juce::Justification::topLeft, true);
}

void Browser::load(bool sound) {
    const int row = list_.getSelectedRow(), pad = board_.chosen;
    if (kind_ == Kind::library) {
        if (row >= 0 && row < getNumRows()) board_.load_clip(pad, library_.rows[static_cast<std::size_t>(row)].id);
        return;
    }
    const auto* preset = preset_of(row);
    if (preset == nullptr) {
        if (const auto* found = bank_of(row); found != nullptr && !found->problem.empty()) say(text(found->problem), true);
        return;
    }
    const auto& bank = bank_of(row)->bank;
    board_.load_preset(pad, bank.name, *preset);
    if (bank.users) bank_.setText(text(bank.name), false);
    name_.setText(text(preset->name), false);
    if (sound && board_.view(pad).failure.empty()) generate_();
}

void Browser::save() {
    store_();
    if (bank_.isEmpty() || name_.isEmpty()) {
        say("Name a bank and the preset first.", true);
        return;
    }
    shelf_.save_preset(board_.chosen, bank_.getText().toStdString(), name_.getText().trim().toStdString(), replace_.getToggleState());
}

void Browser::file_under() {
    const auto typed = category_.getText().toStdString();
    if (!typed.empty() && !is_category(typed)) {
        say(text(in_quotes(typed)) + " is no CatID: give its capitals and its small letters, as in RAINMetl.", true);
        return;
    }
    board_.say_category(board_.chosen, typed);
}

void Browser::copy() {
    file_under();
    chooser_ = std::make_unique<juce::FileChooser>("Copy the pad's clip to", juce::File::getSpecialLocation(juce::File::userHomeDirectory));
    chooser_->launchAsync(juce::FileBrowserComponent::openMode | juce::FileBrowserComponent::canSelectDirectories,
                          [this, pad = board_.chosen.load()](const juce::FileChooser& chosen) {
                              if (const auto folder = chosen.getResult(); folder.isDirectory())
                                  shelf_.copy_to(pad, folder.getFullPathName().toStdString());
                          });
}

}  // namespace foleyd

#include "editor.h"

#include "colours.h"
#include "zoom.h"

namespace foleyd {
namespace {

constexpr int candidate_count = 4, pads_a_page = 16;
constexpr Field shown_fields[] = {Field::gain,   Field::pan,     Field::tune,   Field::choke,
                                  Field::attack, Field::release, Field::voices, Field::output};

juce::Colour colour_of(Light light) { return light == Light::green ? calm : light == Light::yellow ? warm : alarm; }

}  // namespace

Editor::Editor(Processor& processor)
    : AudioProcessorEditor(processor), board_(processor.board), shelf_(processor.shelf),
      fields_(processor.board, [this] { ask(); }), wave_(processor.board),
      browser_(processor.board, processor.shelf, [this] { fields_.store(); }, [this] {
          fields_.show(pad_);   // a preset's words, not those that stood in the fields
          board_.request(pad_, candidate_count);
          fields_.show(pad_);
      }) {
    const auto add = [this](juce::Component& part, const juce::String& title) {
        part.setTitle(title);
        addAndMakeVisible(part);
    };
    add(light_, "Status");
    add(told_, "Progress");
    add(start_, "Start the daemon");
    start_.onClick = [this] {
        juce::ChildProcess daemon;   // it goes on by itself
        if (!daemon.start(juce::StringArray{"foleyd", "serve"}, 0))
            told_.setText("'foleyd' is not on the path: start 'foleyd serve' in a terminal.", juce::dontSendNotification);
    };
    addAndMakeVisible(fields_);
    add(generate_, "Generate");
    generate_.onClick = [this] { ask(); };
    add(cancel_, "Cancel");
    cancel_.onClick = [this] { board_.cancel(pad_); };
    add(tempo_words_, "Prompt uses host BPM");
    tempo_words_.setTooltip("The prompt that is sent ends in the host's tempo, such as ', 120 bpm'.");
    tempo_words_.onClick = [this] { board_.say_tempo(pad_, tempo_words_.getToggleState()); };
    for (std::size_t k = 0; k < rework_count; ++k) {
        auto* button = reworks_.add(new juce::TextButton(juce::String(std::string(rework_specs[k].title))));
        add(*button, button->getButtonText());
        button->onClick = [this, k] {
            fields_.store();
            board_.rework(pad_, static_cast<Rework>(k));
        };
    }
    add(undo_, "Undo");
    undo_.setTooltip("Takes back the last change of a clip or of how a pad plays (Ctrl-Z).");
    undo_.onClick = [this] { board_.undo(); };
    add(redo_, "Redo");
    redo_.setTooltip("Ctrl-Shift-Z.");
    redo_.onClick = [this] { board_.redo(); };
    for (int k = 0; k < candidate_count; ++k) {
        auto* button = candidates_.add(new juce::TextButton("-"));
        add(*button, "Candidate " + juce::String(k + 1));
        button->setTooltip("Press to hear it and have it on the pad; drag it out as a file.");
        button->onStateChange = [this, k, button] {
            if (button->isDown() && holder_ == nullptr) board_.pick(pad_, static_cast<std::size_t>(k));   // before it plays
            holds(*button, pad_);
        };
    }
    add(wave_, "Start and end of the clip");
    for (int k = 0; k < pad_count / pads_a_page; ++k) {
        auto* button = pages_.add(new juce::TextButton("Page " + juce::String(k + 1)));
        add(*button, button->getButtonText());
        button->onClick = [this, k] { page(k); };
    }
    for (int k = 0; k < pads_a_page; ++k) {
        auto* button = pads_.add(new juce::TextButton());
        add(*button, "Pad");
        button->setTooltip("Press to play; drag the clip out as a file, drop audio files in.");
        button->onStateChange = [this, k, button] {
            const int pad = page_ * pads_a_page + k;
            if (holds(*button, pad)) choose(pad);
        };
    }
    const struct { juce::ComboBox& box; Field field; } choices[] = {{mode_, Field::mode}, {quantise_, Field::quantise}};
    for (const auto& [box, field] : choices) {
        const auto& known = spec(field);
        add(box, juce::String(std::string(known.name)));
        box.setTooltip(juce::String(std::string(known.meaning)));
        for (int k = 0; k <= static_cast<int>(known.most); ++k)
            box.addItem((field == Field::quantise ? "starts: " : "") + juce::String(std::string(known.choices[k])), k + 1);
        box.onChange = [this, &box = box, field = field] { set(field, static_cast<float>(box.getSelectedId() - 1)); };
    }
    add(zoom_, "Zoom");
    zoom_.setTooltip("How large all of this window is, text too (Ctrl-plus, Ctrl-minus, Ctrl-0). It is remembered.");
    for (const int percent : zooms) zoom_.addItem(juce::String(percent) + " %", percent);
    zoom_.onChange = [this] {
        zoom(zoom_.getSelectedId());
        keep_zoom(zoom_.getSelectedId());
    };
    for (const Field field : shown_fields) {
        const auto& known = spec(field);
        auto* slider = sliders_.add(new juce::Slider());
        slider->setSliderStyle(juce::Slider::LinearBar);
        add(*slider, juce::String(std::string(known.name)));
        slider->setTooltip(juce::String(std::string(known.meaning)));
        slider->setRange(known.least, known.most, known.whole || known.most > 1000 ? 1.0 : 0.01);
        if (known.most > 1000) slider->setSkewFactorFromMidPoint(200.0);   // milliseconds
        slider->setTextValueSuffix(" " + juce::String(std::string(known.unit)) + " " + juce::String(std::string(known.name)));
        slider->setWantsKeyboardFocus(true);
        slider->onValueChange = [this, slider, field] { set(field, static_cast<float>(slider->getValue())); };
    }
    add(keyboard_, "Play this pad over the keyboard");
    keyboard_.setTooltip("All notes play this pad, transposed; the root note plays it as it is.");
    keyboard_.onClick = [this] { board_.engine.pitched = keyboard_.getToggleState() ? pad_ : -1; };
    add(root_, "Root note");
    root_.setRange(0, 127, 1);
    root_.setTextValueSuffix(" root");
    root_.onValueChange = [this] { board_.engine.root = static_cast<int>(root_.getValue()); };
    add(master_, "Master");
    master_.setRange(-60, 12, 0.1);
    master_.setTextValueSuffix(" dB master");
    master_.onValueChange = [this] { board_.engine.master = static_cast<float>(master_.getValue()); };
    for (auto* slider : {&root_, &master_}) slider->setSliderStyle(juce::Slider::LinearBar);
    add(references_, "Session keeps references only");
    references_.setTooltip("The session stays small, and needs the daemon's library when it is opened again.");
    references_.onClick = [this] { board_.references = references_.getToggleState(); };
    addMouseListener(this, true);
    setWantsKeyboardFocus(true);
    setResizable(true, true);
    addAndMakeVisible(browser_);
    setResizeLimits(960, 640, 4096, 3072);
    setSize(1180, 840);
    zoom(kept_zoom());
    choose(board_.chosen);
    startTimerHz(15);
}

Editor::~Editor() {
    let_go();
    fields_.store();
}

void Editor::paint(juce::Graphics& g) { g.fillAll(ground); }

void Editor::resized() {
    auto area = getLocalBounds().reduced(10);
    browser_.setBounds(area.removeFromRight(juce::jmax(280, area.getWidth() / 4)));
    area.removeFromRight(10);
    const int row = juce::jlimit(26, 60, area.getHeight() / 22), gap = row / 4;
    const auto line = [&] {
        auto taken = area.removeFromTop(row);
        area.removeFromTop(gap);
        return taken;
    };
    auto top = line();
    zoom_.setBounds(top.removeFromRight(row * 3));
    start_.setBounds(top.removeFromRight(row * 5).reduced(3, 0));
    light_.setBounds(top);
    fields_.setBounds(area.removeFromTop(3 * row + 2 * gap));
    area.removeFromTop(gap);
    auto acts = line();
    generate_.setBounds(acts.removeFromLeft(row * 5));
    cancel_.setBounds(acts.removeFromLeft(row * 4).reduced(3, 0));
    told_.setBounds(acts);
    auto row_of = [](juce::Rectangle<int> here, auto& parts) {
        const int width = here.getWidth() / parts.size();
        for (auto* one : parts) one->setBounds(here.removeFromLeft(width).reduced(2, 0));
    };
    auto again = line();
    undo_.setBounds(again.removeFromLeft(row * 3));
    redo_.setBounds(again.removeFromLeft(row * 3).reduced(3, 0));
    tempo_words_.setBounds(again.removeFromRight(row * 11 / 2));
    row_of(again, reworks_);
    row_of(line(), candidates_);
    wave_.setBounds(area.removeFromTop(area.getHeight() / 3));
    area.removeFromTop(gap);
    const int half = sliders_.size() / 2;
    juce::Component* rows[2][5] = {{&mode_}, {&quantise_}};
    for (int k = 0; k < sliders_.size(); ++k) rows[k / half][k % half + 1] = sliders_[k];
    for (auto& parts : rows) {
        auto play = line();
        const int fifth = play.getWidth() / 5;
        for (auto* part : parts) part->setBounds(play.removeFromLeft(fifth).reduced(2, 0));
    }
    auto keys = line();
    const int quarter = keys.getWidth() / 4;
    keyboard_.setBounds(keys.removeFromLeft(2 * quarter));
    root_.setBounds(keys.removeFromLeft(quarter).reduced(2, 0));
    master_.setBounds(keys.reduced(2, 0));
    auto bottom = line();
    references_.setBounds(bottom.removeFromRight(bottom.getWidth() * 2 / 5));
    row_of(bottom, pages_);
    const int tall = area.getHeight() / 2;
    for (int k = 0; k < pads_a_page; ++k) {
        const int wide = area.getWidth() / 8;
        pads_[k]->setBounds(juce::Rectangle<int>(area.getX() + k % 8 * wide, area.getY() + k / 8 * tall, wide, tall).reduced(2));
    }
}

int Editor::pad_at(int x, int y) const {
    for (int k = 0; k < pads_.size(); ++k)
        if (pads_[k]->getBounds().contains(x, y)) return page_ * pads_a_page + k;
    return pad_;
}

void Editor::aim(int pad) {
    aimed_ = pad;
    for (int k = 0; k < pads_.size(); ++k)
        pads_[k]->setColour(juce::ComboBox::outlineColourId, page_ * pads_a_page + k == pad ? warm : findColour(juce::ComboBox::outlineColourId));
}

void Editor::filesDropped(const juce::StringArray& files, int x, int y) {
    std::vector<std::filesystem::path> paths;
    for (const auto& file : files) paths.emplace_back(file.toStdString());
    shelf_.import(pad_at(x, y), std::move(paths));
    aim(-1);
}

void Editor::mouseDown(const juce::MouseEvent& event) {
    auto* field = dynamic_cast<juce::TextEditor*>(event.eventComponent);
    clicked_ = field != nullptr ? field : event.eventComponent->findParentComponentOfClass<juce::TextEditor>();
    patience_ = 4;
}

// A host may take the focus and give it back with a click; what had it before has it then, and not what was clicked.
void Editor::keep_focus() {
    if (clicked_ == nullptr || --patience_ < 0) return;
    if (!clicked_->hasKeyboardFocus(true)) clicked_->grabKeyboardFocus();
}

void Editor::mouseDrag(const juce::MouseEvent& event) {
    if (dragging_ || event.getDistanceFromDragStart() < 12) return;
    const auto* source = dynamic_cast<juce::TextButton*>(event.eventComponent);
    const int take = candidates_.indexOf(source), at = pads_.indexOf(source);
    if (take < 0 && at < 0) return;
    const auto view = board_.view(take < 0 ? page_ * pads_a_page + at : pad_);
    const auto sound = take < 0 ? view.sound
                       : take < static_cast<int>(view.candidates.size()) ? view.candidates[static_cast<std::size_t>(take)].sound : nullptr;
    const auto path = shelf_.dragged(sound, view);
    if (path.empty()) return;   // it is being written: the next move of the pointer asks again
    dragging_ = true;
    let_go();
    performExternalDragDropOfFiles({juce::String(path.string())}, false, this, [this] { dragging_ = false; });
}

void Editor::zoom(int percent) {
    zoom_.setSelectedId(percent, juce::dontSendNotification);
    setScaleFactor(hosts_scale_);
}

// On top of what the host asks for.
void Editor::setScaleFactor(float hosts) {
    hosts_scale_ = hosts;
    AudioProcessorEditor::setScaleFactor(hosts * static_cast<float>(zoom_.getSelectedId()) / 100.0f);
}

// Ctrl-Return generates from everywhere, escape cancels. Ctrl-Z is the text's own while a text is typed.
bool Editor::keyPressed(const juce::KeyPress& key) {
    constexpr int command = juce::ModifierKeys::commandModifier;
    if (key == juce::KeyPress(juce::KeyPress::returnKey, juce::ModifierKeys::ctrlModifier, 0)) ask();
    else if (key == juce::KeyPress::escapeKey) board_.cancel(pad_);
    else if (key == juce::KeyPress('z', command, 0)) board_.undo();
    else if (key == juce::KeyPress('z', command | juce::ModifierKeys::shiftModifier, 0)) board_.redo();
    else if (key == juce::KeyPress('+', command, 0) || key == juce::KeyPress('=', command, 0)) step_zoom(1);
    else if (key == juce::KeyPress('-', command, 0)) step_zoom(-1);
    else if (key == juce::KeyPress('0', command, 0)) zoom_.setSelectedId(usual_zoom);
    else return false;
    return true;
}

void Editor::step_zoom(int steps) { zoom_.setSelectedItemIndex(juce::jlimit(0, zoom_.getNumItems() - 1, zoom_.getSelectedItemIndex() + steps)); }

void Editor::set(Field field, float value) { board_.set(pad_, field, value); }

// Whether the button begins to hold a pad, which plays; one that holds a pad and is up again ends it, whatever page is
// shown by then. Buttons are also asked when the pointer only comes and goes, which must not end what MIDI holds.
bool Editor::holds(juce::Button& button, int pad) {
    if (button.isDown() && holder_ == nullptr) {
        holder_ = &button;
        pressed_ = pad;
        board_.engine.press(pad, 1.0f);
        return true;
    }
    if (!button.isDown() && holder_ == &button) let_go();
    return false;
}

void Editor::let_go() {
    if (holder_ != nullptr) board_.engine.let_go(pressed_);
    holder_ = nullptr;
}

void Editor::choose(int pad) {
    if (pad != pad_) fields_.store();
    pad_ = pad;
    board_.chosen = pad;
    version_ = ~0u;
    fields_.show(pad_);
    page(pad / pads_a_page);
}

void Editor::page(int number) {
    page_ = number;
    for (int k = 0; k < pages_.size(); ++k) pages_[k]->setToggleState(k == number, juce::dontSendNotification);
}

void Editor::ask() {
    fields_.store();
    board_.request(pad_, candidate_count);
    fields_.show(pad_);   // with the seed that was drawn: a field that loses the focus stores what the fields say
}

// A button that cannot work now says why where its meaning stood.
void Editor::show_reworks() {
    for (std::size_t k = 0; k < rework_count; ++k) {
        auto* button = reworks_[static_cast<int>(k)];
        const auto why = board_.hindrance(pad_, static_cast<Rework>(k));
        button->setEnabled(why.empty());
        button->setTooltip(why.empty() ? juce::String(std::string(rework_specs[k].meaning)) : text(why));
    }
}

void Editor::timerCallback() {
    keep_focus();
    const auto state = board_.link_state();
    browser_.refresh();
    light_.setText(juce::String::fromUTF8("\xe2\x97\x8f ") + text(state.sentence), juce::dontSendNotification);
    light_.setColour(juce::Label::textColourId, colour_of(state.light));
    start_.setVisible(state.light == Light::red);
    if (board_.chosen != pad_) choose(board_.chosen);
    const auto view = board_.view(pad_);
    juce::String said = text(view.failure);
    if (view.progress.under_way) {
        said = view.progress.position > 0 ? juce::String(view.progress.position) + " before this one" : juce::String("Working");
        if (view.progress.steps > 0) said << ", step " << view.progress.step << " of " << view.progress.steps;
        if (view.progress.eta_s >= 0) said << ", " << juce::String(view.progress.eta_s, 1) << " s to go";
    }
    if (said.isEmpty()) said = fields_.length_in_words();
    told_.setText(said, juce::dontSendNotification);
    cancel_.setEnabled(view.progress.under_way);
    show_reworks();
    undo_.setEnabled(board_.can_undo());
    redo_.setEnabled(board_.can_redo());
    fields_.refresh();
    if (view.version != version_) {
        version_ = view.version;
        wave_.show(pad_, view.sound);
        for (int k = 0; k < candidate_count; ++k) {
            const bool there = k < static_cast<int>(view.candidates.size());
            candidates_[k]->setEnabled(there);
            const auto* found = there ? &view.candidates[static_cast<std::size_t>(k)] : nullptr;
            candidates_[k]->setButtonText(there ? "Take " + juce::String(k + 1) + "  (seed " + juce::String(found->seed) + ")" : juce::String("-"));
            candidates_[k]->setToggleState(there && found->sound == view.sound, juce::dontSendNotification);
        }
    }
    const auto& settings = board_.engine.pads[static_cast<std::size_t>(pad_)];
    mode_.setSelectedId(settings.whole(Field::mode) + 1, juce::dontSendNotification);
    quantise_.setSelectedId(settings.whole(Field::quantise) + 1, juce::dontSendNotification);
    for (int k = 0; k < sliders_.size(); ++k) sliders_[k]->setValue(settings.get(shown_fields[k]), juce::dontSendNotification);
    keyboard_.setToggleState(board_.engine.pitched == pad_, juce::dontSendNotification);
    root_.setValue(board_.engine.root, juce::dontSendNotification);
    master_.setValue(board_.engine.master, juce::dontSendNotification);
    tempo_words_.setToggleState(view.tempo_words, juce::dontSendNotification);
    references_.setToggleState(board_.references, juce::dontSendNotification);
    for (int k = 0; k < pads_a_page; ++k) {
        const int pad = page_ * pads_a_page + k;
        const auto there = board_.view(pad);
        const auto words = text(text_of(there.recipe, "prompt"));
        pads_[k]->setButtonText(juce::String(pad + 1) + (words.isEmpty() ? juce::String() : " " + words));
        pads_[k]->setColour(juce::TextButton::buttonColourId,
                            board_.engine.playing[static_cast<std::size_t>(pad)] > 0 ? warm
                            : there.sound ? calm.darker(0.6f) : raised);
        pads_[k]->setToggleState(pad == pad_, juce::dontSendNotification);
    }
}

}  // namespace foleyd

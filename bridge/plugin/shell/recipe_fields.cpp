#include "recipe_fields.h"

#include "colours.h"

namespace foleyd {
namespace {

juce::String number_text(const Json& recipe, const char* name) {
    const double value = number_of(recipe, name, -1);
    if (value < 0) return {};
    // a double's own text rounds a seed to six digits
    const auto whole = static_cast<juce::int64>(value);
    return static_cast<double>(whole) == value ? juce::String(whole) : juce::String(value);
}

// Which adapter the recipe has is said here alone: there is no field for it.
juce::String meaning_of_model(const Json& recipe) {
    const auto adapter = text_of(recipe, "adapter");
    return "The daemon's own model where nothing stands here; arrow down lists those that it has." +
           (adapter.empty() ? juce::String() : " With the adapter " + text(adapter) + ", which goes when another model is named.");
}

}  // namespace

void OpenButton::paintButton(juce::Graphics& g, bool over, bool down) {
    TextButton::paintButton(g, over, down);
    const auto area = getLocalBounds().toFloat();
    const auto arrow = area.withSizeKeepingCentre(area.getWidth() / 3, area.getWidth() / 5);
    juce::Path path;
    path.addTriangle(arrow.getTopLeft(), arrow.getTopRight(), {arrow.getCentreX(), arrow.getBottom()});
    g.setColour(findColour(textColourOffId));
    g.fillPath(path);
}

RecipeFields::RecipeFields(Board& board, std::function<void()> ask) : board_(board) {
    const auto add = [this](juce::Component& part, const juce::String& title) {
        part.setTitle(title);
        addAndMakeVisible(part);
    };
    const struct { juce::TextEditor& field; const char* name; const char* hint; } fields[] = {
        {prompt_, "Prompt", "What to hear, in words"}, {negative_, "Not", "What not to hear"},
        {model_, "Model", "the daemon's"},
        {seconds_, "Seconds", "auto"}, {bars_, "Bars", "-"}, {seed_, "Seed", "drawn"}, {steps_, "Steps", "usual"}, {guidance_, "Guidance", "usual"}};
    for (const auto& [field, name, hint] : fields) {
        add(field, name);
        field.setTextToShowWhenEmpty(hint, juce::Colours::grey);
        field.setSelectAllWhenFocused(true);
        field.onReturnKey = ask;
        field.onFocusLost = [this] { store(); };
        auto* label = names_.add(new juce::Label({}, name));
        addAndMakeVisible(label);
    }
    for (auto* field : {&seconds_, &bars_, &guidance_}) field->setInputRestrictions(8, "0123456789.");
    for (auto* field : {&seed_, &steps_}) field->setInputRestrictions(10, "0123456789");
    seconds_.onTextChange = [this] { bars_.setText({}, false); };   // a sound has one length
    bars_.onTextChange = [this] { seconds_.setText({}, false); };
    bars_.setTooltip("Length in bars of the host's tempo and time signature, instead of seconds.");
    prompt_.setInputRestrictions(1000);
    negative_.setInputRestrictions(1000);
    model_.setInputRestrictions(255);
    model_.addKeyListener(this);
    add(models_, "List of models");
    models_.setTooltip("The models that the daemon has.");
    models_.onClick = [this] { offer_models(); };
    add(dice_, "Draw a seed");
    dice_.onClick = [this] {
        seed_.setText(juce::String(juce::Random::getSystemRandom().nextInt(most_drawn_seed)));
        store();
    };
    add(lock_, "Lock the seed");
    lock_.setTooltip("Unlocked, each Generate draws another sound.");
    lock_.onClick = [this] { board_.lock(pad_, lock_.getToggleState()); };
}

// Three rows, with a quarter of one between them.
void RecipeFields::resized() {
    auto area = getLocalBounds();
    const int gap = getHeight() / 14, row = (getHeight() - 2 * gap) / 3;
    juce::TextEditor* long_fields[] = {&prompt_, &negative_};
    for (int k = 0; k < 2; ++k) {
        auto here = area.removeFromTop(row);
        area.removeFromTop(gap);
        names_[k]->setBounds(here.removeFromLeft(row * 3));
        if (k == 1) {
            models_.setBounds(here.removeFromRight(row).withTrimmedLeft(2));
            model_.setBounds(here.removeFromRight(row * 5));
            names_[2]->setBounds(here.removeFromRight(row * 2));
        }
        long_fields[k]->setBounds(here);
    }
    juce::TextEditor* short_fields[] = {&seconds_, &bars_, &seed_, &steps_, &guidance_};
    const int part = (area.getWidth() - row * 6) / 5;
    const int of_label[] = {11, 8, 7, 9, 12};   // twentieths: a seed has eight digits
    for (int k = 0; k < 5; ++k) {
        auto here = area.removeFromLeft(part);
        names_[k + 3]->setBounds(here.removeFromLeft(part * of_label[k] / 20));
        short_fields[k]->setBounds(here);
        if (k == 2) {
            dice_.setBounds(area.removeFromLeft(row * 3).reduced(3, 0));
            lock_.setBounds(area.removeFromLeft(row * 3));
        }
    }
}

void RecipeFields::show(int pad) {
    pad_ = pad;
    const auto view = board_.view(pad_);
    const auto& recipe = view.recipe;
    recipes_ = view.recipes;
    prompt_.setText(text(text_of(recipe, "prompt")), false);
    const auto operation = text_of(recipe, "operation");
    names_[0]->setText(operation.empty() ? "Prompt" : "Prompt: " + text(operation), juce::dontSendNotification);
    negative_.setText(text(text_of(recipe, "negative")), false);
    model_.setText(text(text_of(recipe, "model")), false);
    model_.setTooltip(meaning_of_model(recipe));
    seconds_.setText(number_text(recipe, "seconds"), false);
    bars_.setText(number_text(recipe, "bars"), false);
    steps_.setText(number_text(recipe, "steps"), false);
    guidance_.setText(number_text(recipe, "guidance"), false);
    seed_.setText(number_text(recipe, "seed"), false);
    lock_.setToggleState(view.locked, juce::dontSendNotification);
}

void RecipeFields::store() {
    // what a preset said beyond the fields, such as that it is a loop, goes with its words
    Json recipe = prompt_.isEmpty() ? Json::object() : board_.view(pad_).recipe;
    recipe["prompt"] = prompt_.getText().toStdString();
    recipe["negative"] = negative_.getText().toStdString();
    recipe = with_model(std::move(recipe), model_.getText().trim().toStdString(), board_.abilities().model);
    model_.setTooltip(meaning_of_model(recipe));
    const struct { const juce::TextEditor& field; const char* name; } numbers[] = {
        {seconds_, "seconds"}, {bars_, "bars"}, {steps_, "steps"}, {guidance_, "guidance"}, {seed_, "seed"}};
    for (const auto& [field, name] : numbers) {
        recipe.erase(name);
        if (field.getText().isNotEmpty()) recipe[name] = field.getText().getDoubleValue();
    }
    board_.set_recipe(pad_, recipe);
}

bool RecipeFields::keyPressed(const juce::KeyPress& key, juce::Component*) {
    if (key != juce::KeyPress::downKey) return false;
    offer_models();
    return true;
}

void RecipeFields::offer_models() {
    const auto chosen = model_.getText().trim().toStdString();
    const auto abilities = board_.abilities();
    const auto choices = model_choices(abilities, chosen);
    juce::PopupMenu menu;
    int number = 0;
    for (const auto& one : choices) menu.addItem(++number, text(one.title), true, one.id == chosen);
    if (abilities.operations.empty()) menu.addItem(-1, "The others are listed while the daemon answers", false);
    menu.showMenuAsync(juce::PopupMenu::Options().withTargetComponent(model_).withMinimumWidth(model_.getWidth()).withMaximumNumColumns(1)
                           .withStandardItemHeight(model_.getHeight()),
                       [here = SafePointer<RecipeFields>(this), pad = pad_, choices](int picked) {
                           if (here == nullptr || picked <= 0 || here->pad_ != pad) return;
                           here->model_.setText(text(choices[static_cast<std::size_t>(picked - 1)].id), false);
                           here->store();
                       });
}

void RecipeFields::refresh() {
    if (board_.view(pad_).recipes != recipes_) show(pad_);   // a seed was drawn, or a session opened
}

juce::String RecipeFields::length_in_words() const {
    const double bars = bars_.getText().getDoubleValue();
    if (bars <= 0) return {};
    const auto tempo = board_.tempo();
    return juce::String(bars) + " bars of " + juce::String(tempo.beats) + "/" + juce::String(tempo.beat_type) + " at " +
           juce::String(tempo.bpm, 1) + " bpm: " + juce::String(seconds_of(bars, tempo), 2) + " s";
}

}  // namespace foleyd

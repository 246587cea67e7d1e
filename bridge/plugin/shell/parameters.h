// What hosts automate: a pad's settings as parameters, which are views of the engine's own values.
#pragma once

#include <juce_audio_processors/juce_audio_processors.h>

#include "board.h"

namespace foleyd {

// One field of one pad. Holds nothing itself, so that a reopened session has one truth.
class PadParameter final : public juce::AudioProcessorParameterWithID {
public:
    PadParameter(Engine& engine, int pad, Field field);
    float getValue() const override;
    void setValue(float share) override;
    float getDefaultValue() const override;
    float getValueForText(const juce::String& text) const override;
    juce::String getText(float share, int) const override;
    juce::String getLabel() const override;
    int getNumSteps() const override;
    bool isDiscrete() const override;

private:
    float share_of(float value) const;
    float value_of(float share) const;
    Settings& settings_;
    const Field field_;
    const FieldSpec& spec_;
};

// Set to 1 it asks for the chosen pad's sound. Always reads 0, or a reopened session would ask again. So a host's 0
// never comes here (JUCE drops what is there already): a 1 counts when none came for a while, which a line of
// automation that stays at 1 does not leave.
class GenerateParameter final : public juce::AudioProcessorParameterWithID {
public:
    explicit GenerateParameter(Board& board)
        : AudioProcessorParameterWithID(juce::ParameterID("generate", 1), "Generate"), board_(board) {}
    float getValue() const override { return 0.0f; }
    void setValue(float share) override {
        if (share <= 0.5f) return;
        const auto now = juce::Time::getMillisecondCounter();
        if (now - last_.exchange(now) > pause_ms) board_.generate = true;
    }
    float getDefaultValue() const override { return 0.0f; }
    float getValueForText(const juce::String& text) const override { return text.getFloatValue(); }
    juce::String getText(float share, int) const override { return share > 0.5f ? "now" : "-"; }
    juce::String getLabel() const override { return {}; }
    int getNumSteps() const override { return 2; }
    bool isBoolean() const override { return true; }
    bool isDiscrete() const override { return true; }

private:
    Board& board_;
    static constexpr juce::uint32 pause_ms = 500;
    std::atomic<juce::uint32> last_{juce::Time::getMillisecondCounter() - 2 * pause_ms};
};

}  // namespace foleyd

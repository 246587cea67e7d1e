#include "parameters.h"

namespace foleyd {
namespace {

juce::String title(int pad, Field field) {
    return "Pad " + juce::String(pad + 1) + " " + juce::String(std::string(spec(field).name));
}

}  // namespace

PadParameter::PadParameter(Engine& engine, int pad, Field field)
    : AudioProcessorParameterWithID(juce::ParameterID("pad" + juce::String(pad + 1) + "_" + juce::String(std::string(spec(field).name)), 1),
                                    title(pad, field)),
      settings_(engine.pads[static_cast<std::size_t>(pad)]), field_(field), spec_(spec(field)) {}

float PadParameter::share_of(float value) const { return (value - spec_.least) / (spec_.most - spec_.least); }
float PadParameter::value_of(float share) const { return spec_.least + share * (spec_.most - spec_.least); }

float PadParameter::getValue() const { return share_of(settings_.get(field_)); }
void PadParameter::setValue(float share) { settings_.set(field_, value_of(share)); }
float PadParameter::getDefaultValue() const { return share_of(spec_.usual); }
float PadParameter::getValueForText(const juce::String& text) const { return share_of(within(field_, text.getFloatValue())); }

juce::String PadParameter::getText(float share, int) const {
    const float value = within(field_, value_of(share));
    if (spec_.choices != nullptr) return juce::String(std::string(spec_.choices[static_cast<int>(value)]));
    return spec_.whole ? juce::String(static_cast<int>(value)) : juce::String(value, 2);
}

juce::String PadParameter::getLabel() const { return juce::String(std::string(spec_.unit)); }
int PadParameter::getNumSteps() const {
    return spec_.whole ? static_cast<int>(spec_.most - spec_.least) + 1 : juce::AudioProcessor::getDefaultNumParameterSteps();
}
bool PadParameter::isDiscrete() const { return spec_.whole; }

}  // namespace foleyd

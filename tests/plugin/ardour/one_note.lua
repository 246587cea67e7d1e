-- Plays the first pad a tenth of a second behind the session's start.
ardour {
  ["type"] = "dsp", name = "One Note", category = "Utility", license = "MIT", author = "foleyd",
  description = [[One note for tests.]]
}

local NOTE_AT = 4800

function dsp_ioconfig ()
  return { { midi_in = 1, midi_out = 1, audio_in = 0, audio_out = 0 } }
end

function dsp_run (_, _, frames)
  local at = Session:transport_sample ()
  if Session:transport_rolling () and at <= NOTE_AT and NOTE_AT < at + frames then
    -- times count from one
    midiout[1] = { time = NOTE_AT - at + 1, data = { 0x90, 36, 127 } }
  end
end

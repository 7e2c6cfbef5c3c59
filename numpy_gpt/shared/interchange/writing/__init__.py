"""Writing models in the formats of other programs: one file per format, which makes the files of a checkpoint."""

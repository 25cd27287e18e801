"""From the state that the stream leaves to the model of k clusters."""

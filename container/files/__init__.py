"""Files that come from outside or go there: opened only if they are regular, written whole or not at all."""

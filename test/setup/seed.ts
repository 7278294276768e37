/** Setup of each file of unit tests. */
import { seedProperties } from '../support/fuzz.ts'

seedProperties()

import { vectorClaims } from './vectors.ts'

vectorClaims('workerd')

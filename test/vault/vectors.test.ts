import { vectorClaims } from './vectors.ts'

vectorClaims('Node')
